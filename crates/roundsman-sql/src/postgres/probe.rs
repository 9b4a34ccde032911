//! What *accepted* means on this server as it is set.

use super::connect::Connection;
use super::error::Sql;
use crate::served::promise;
use roundsman_store::Guarantee;

const SETTINGS: &str = "SELECT current_setting('server_version'), current_setting('fsync'),
            current_setting('synchronous_commit'), current_setting('full_page_writes'),
            current_setting('synchronous_standby_names'), pg_is_in_recovery(),
            coalesce((SELECT string_agg(relname, ', ' ORDER BY relname) FROM pg_class
                      WHERE relnamespace = to_regnamespace(quote_ident($1))
                        AND relkind = 'r' AND relpersistence <> 'p'), '')";

/// What the server says of itself.
struct Settings {
    version: String,
    fsync: bool,
    synchronous_commit: String,
    full_page_writes: bool,
    standbys: bool,
    is_replica: bool,
    unlogged: String,
}

/// Asks the server, not the code that set anything up.
pub(super) async fn probe(connection: &mut Connection) -> Sql<Guarantee> {
    let schema = connection.schema.clone();
    let row = connection.client.query_one(SETTINGS, &[&schema]).await?;
    let on = |column| row.get::<_, &str>(column) == "on";
    Ok(guarantee(&Settings {
        version: row.get(0),
        fsync: on(1),
        synchronous_commit: row.get(2),
        full_page_writes: on(3),
        standbys: !row.get::<_, &str>(4).is_empty(),
        is_replica: row.get(5),
        unlogged: row.get(6),
    }))
}

fn guarantee(settings: &Settings) -> Guarantee {
    let (level, unlogged) = (settings.synchronous_commit.as_str(), &settings.unlogged);
    let flaws = [
        (
            settings.is_replica,
            "postgres-read-only",
            "nothing can be accepted here, since it is a read-only replica",
        ),
        (
            !settings.fsync,
            "postgres-fsync-off",
            "it is lost when the machine dies, and with it perhaps the whole database, since \
             fsync is off",
        ),
        (
            level == "off",
            "postgres-synchronous-commit-off",
            "the last moments are lost when the server dies, since synchronous_commit is off",
        ),
        (
            settings.standbys && level == "local",
            "postgres-synchronous-commit-local",
            "a failover may lose it, since synchronous_commit is local and does not wait for the \
             standbys",
        ),
        (
            !settings.full_page_writes,
            "postgres-full-page-writes-off",
            "pages that a power cut tears cannot be mended, since full_page_writes is off",
        ),
        (
            !unlogged.is_empty(),
            "postgres-unlogged-tables",
            &format!("it is lost when the server dies, since tables are unlogged ({unlogged})"),
        ),
    ];
    let place = match (settings.standbys, level) {
        (true, "on" | "remote_apply") => "written to the disk here and on a standby",
        (true, "remote_write") => "written to the disk here and taken by a standby",
        _ => "written to the disk of the server",
    };
    promise(
        format!("PostgreSQL {}", settings.version),
        &format!("{place} (fsync=on, synchronous_commit={level})"),
        settings.fsync && level != "off" && unlogged.is_empty(),
        &flaws.map(|(is_so, name, but)| (is_so, name, but.to_owned())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Settings {
        Settings {
            version: "15".to_owned(),
            fsync: true,
            synchronous_commit: "on".to_owned(),
            full_page_writes: true,
            standbys: false,
            is_replica: false,
            unlogged: String::new(),
        }
    }

    #[test]
    fn every_setting_that_makes_it_weaker_has_a_name() {
        assert!(guarantee(&good()).weaker.is_empty());
        assert!(guarantee(&good()).survives_machine);
        let off = "off".to_owned();
        let local = "local".to_owned();
        for (settings, name) in [
            (Settings { fsync: false, ..good() }, "postgres-fsync-off"),
            (Settings { synchronous_commit: off, ..good() }, "postgres-synchronous-commit-off"),
            (Settings { full_page_writes: false, ..good() }, "postgres-full-page-writes-off"),
            (Settings { unlogged: "message".into(), ..good() }, "postgres-unlogged-tables"),
            (Settings { is_replica: true, ..good() }, "postgres-read-only"),
            (
                Settings { standbys: true, synchronous_commit: local, ..good() },
                "postgres-synchronous-commit-local",
            ),
        ] {
            assert_eq!(guarantee(&settings).weaker, [name]);
        }
    }
}
