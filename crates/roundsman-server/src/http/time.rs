//! Times as the API writes them: RFC 3339.

use jiff::Timestamp as Moment;
use roundsman_store::Timestamp;

/// The words for a time that cannot be read.
pub(crate) const BAD_TIME: &str = "a time is written as in RFC 3339, with its zone: 2026-12-01T09:00:00Z; the last is \
     9999-12-30T22:00:00Z";

/// Reads a time; `None` unless it is one of RFC 3339, which always names its zone.
///
/// The library reads more than the API promises (weeks, bracketed zones, times without seconds),
/// so the shape is looked at first.
pub(crate) fn read_time(written: &str) -> Option<Timestamp> {
    let bytes = written.as_bytes();
    let fits = (20..=64).contains(&bytes.len())
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && matches!(bytes[10], b'T' | b't' | b' ')
        && bytes[13] == b':'
        && bytes[16] == b':'
        && ends_in_zone(bytes);
    if !fits {
        return None;
    }
    let moment: Moment = written.parse().ok()?;
    Some(Timestamp(moment.as_microsecond()))
}

/// `Z`, or hours and minutes such as `+02:00`.
fn ends_in_zone(bytes: &[u8]) -> bool {
    matches!(bytes, [.., b'Z' | b'z'] | [.., b'+' | b'-', _, _, b':', _, _])
}

/// Writes a time, in UTC. Beyond the year 9999, where RFC 3339 ends, `None`.
pub(crate) fn write_time(at: Timestamp) -> Option<String> {
    Moment::from_microsecond(at.0).ok().map(|moment| moment.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_rfc_3339_and_no_others() {
        let nine = read_time("2026-12-01T09:00:00Z").unwrap();
        assert_eq!(read_time("2026-12-01T10:00:00+01:00"), Some(nine));
        assert_eq!(read_time("2026-12-01t09:00:00.000z"), Some(nine));
        assert_eq!(write_time(nine).as_deref(), Some("2026-12-01T09:00:00Z"));
        assert_eq!(read_time("1969-12-31T23:59:59.999999Z"), Some(Timestamp(-1)));
        for bad in [
            "",
            "soon",
            "2026-12-01",
            "2026-12-01T09:00:00",
            "2026-12-01T09:00:00+01",
            "2026-12-01T09:00:00+01:00[Europe/Paris]",
            "2026-13-01T09:00:00Z",
            "2026-12-01T25:00:00Z",
            "2026-W49-2T09:00:00Z",
            "éééééééééééééééé",
        ] {
            assert_eq!(read_time(bad), None, "{bad}");
        }
        assert_eq!(write_time(Timestamp(i64::MAX)), None);
    }
}
