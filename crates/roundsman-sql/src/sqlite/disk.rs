//! What kind of disk a file is on, where the system tells: some keep nothing, some cannot lock.

use std::path::{Path, PathBuf};

/// What a disk does to the promise of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Disk {
    /// As far as is known it keeps what it says it has written.
    Local,
    /// It is memory: it ends with the machine.
    Memory,
    /// It is another machine's, by this kind of file system. Locks and the shared memory of a WAL
    /// cannot be relied on there.
    Network(String),
}

impl Disk {
    /// The disk under this path.
    pub(super) fn under(path: &Path) -> Self {
        match std::fs::read_to_string("/proc/self/mountinfo") {
            Ok(mounts) => Self::of(file_system(&mounts, path).unwrap_or_default()),
            // Only Linux tells in this way; elsewhere there is nothing to go by.
            Err(_) => Self::Local,
        }
    }

    fn of(file_system: &str) -> Self {
        match file_system {
            "tmpfs" | "ramfs" => Self::Memory,
            "nfs" | "nfs4" | "cifs" | "smb3" | "smbfs" | "ceph" | "glusterfs" | "fuse.sshfs" => {
                Self::Network(file_system.to_owned())
            }
            _ => Self::Local,
        }
    }
}

/// The kind of file system that is mounted nearest above `path`, the latest where several are.
///
/// A line is `id parent device root MOUNT-POINT options [tags…] - KIND source options`.
fn file_system<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let mount = |line: &'a str| {
        let (place, kind) = line.split_once(" - ")?;
        // Blanks in names are written as octal numbers.
        let point = PathBuf::from(place.split(' ').nth(4)?.replace("\\040", " "));
        Some((point, kind.split(' ').next()?))
    };
    let above = mounts.lines().filter_map(mount).filter(|(point, _)| path.starts_with(point));
    above.max_by_key(|(point, _)| point.components().count()).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_counts() {
        let mounts = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:25 / /tmp rw,nosuid shared:9 - tmpfs tmpfs rw
31 22 0:26 / /srv/my\\040share rw - nfs4 host:/export rw
32 30 254:1 / /tmp/kept rw - xfs /dev/vdb rw
";
        for (path, disk) in [
            ("/home/a.db", Disk::Local),
            ("/tmp/a.db", Disk::Memory),
            ("/tmpish/a.db", Disk::Local),
            ("/tmp/kept/a.db", Disk::Local),
            ("/srv/my share/a.db", Disk::Network("nfs4".to_owned())),
        ] {
            assert_eq!(Disk::of(file_system(mounts, Path::new(path)).unwrap()), disk, "{path}");
        }
        assert_eq!(file_system("nonsense", Path::new("/a")), None);
    }
}
