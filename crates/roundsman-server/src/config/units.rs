//! Units as people write them: `500ms`, `7d`, `64MiB`, `500ms..10m`. Pure, both ways.

use std::time::Duration;

const SPANS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

const SIZES: [(&str, u64); 7] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

/// A span of time, like `500ms`, `10s`, `5m`, `2h` or `7d`.
///
/// # Errors
/// What would be right.
pub fn parse_span(written: &str) -> Result<Duration, String> {
    parse(written, &SPANS)
        .map(Duration::from_millis)
        .ok_or_else(|| "write a number and one of ms, s, m, h, d, like \"30s\"".to_owned())
}

/// A size in bytes, like `64KiB` or `1GB`.
///
/// # Errors
/// What would be right.
pub(super) fn parse_size(written: &str) -> Result<u64, String> {
    parse(written, &SIZES)
        .ok_or_else(|| "write a number and one of B, KiB, MiB, GiB, like \"64MiB\"".to_owned())
}

/// Two spans, the first not longer than the second, like `500ms..10m`.
///
/// # Errors
/// What would be right.
pub(super) fn parse_range(written: &str) -> Result<(Duration, Duration), String> {
    let cure = || "write the shortest and the longest wait, like \"500ms..10m\"".to_owned();
    let (shortest, longest) = written.split_once("..").ok_or_else(cure)?;
    match (parse_span(shortest), parse_span(longest)) {
        (Ok(shortest), Ok(longest)) if shortest <= longest => Ok((shortest, longest)),
        _ => Err(cure()),
    }
}

/// So many in a unit of time, like `100/s`, `6000/m` or `10/h`.
///
/// # Errors
/// What would be right.
pub(super) fn parse_rate(written: &str) -> Result<(u64, Duration), String> {
    let cure = || "write \"none\", or a number and one of /s, /m, /h, like \"100/s\"".to_owned();
    let (number, unit) = written.split_once('/').ok_or_else(cure)?;
    let number = number.trim().parse().ok().filter(|n| (1..=MOST_OFTEN).contains(n));
    let span = match unit.trim() {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        _ => return Err(cure()),
    };
    Ok((number.ok_or_else(cure)?, span))
}

/// A rate's number, at most.
const MOST_OFTEN: u64 = 1_000_000;

/// A rate as it would be written.
#[must_use]
pub(super) fn write_rate(every: Duration) -> String {
    let per = |span: Duration, unit| {
        let (span, every) = (span.as_nanos(), every.as_nanos().max(1));
        let number = span.div_ceil(every);
        // The time between two turns is rounded up.
        (number > 0 && span.div_ceil(number) == every).then(|| format!("{number}/{unit}"))
    };
    let second = per(Duration::from_secs(1), "s");
    let minute = || per(Duration::from_mins(1), "m");
    let exact = second.or_else(minute).or_else(|| per(Duration::from_hours(1), "h"));
    exact.unwrap_or_else(|| format!("{}/h", 3_600_000_000_000 / every.as_nanos().max(1)))
}

/// A span as it would be written, in the widest unit that is exact.
#[must_use]
pub fn write_span(span: Duration) -> String {
    write(u64::try_from(span.as_millis()).unwrap_or(u64::MAX), &SPANS)
}

/// A size as it would be written, in the widest unit that is exact.
#[must_use]
pub(super) fn write_size(bytes: u64) -> String {
    write(bytes, &SIZES[..4])
}

fn parse(written: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = written.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = written.split_at(digits);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*scale)
}

fn write(value: u64, units: &[(&str, u64)]) -> String {
    let exact = |(_, scale): &&(&str, u64)| value != 0 && value.is_multiple_of(*scale);
    match units.iter().rev().find(exact).or(units.first()) {
        Some((name, scale)) => format!("{}{name}", value / scale),
        None => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_read_and_write() {
        for (written, millis) in
            [("500ms", 500), ("10s", 10_000), ("5m", 300_000), ("7d", 604_800_000)]
        {
            let span = Duration::from_millis(millis);
            assert_eq!(parse_span(written), Ok(span));
            assert_eq!(write_span(span), written);
        }
        for (written, bytes) in [("64MiB", 64 << 20), ("3B", 3), ("1GiB", 1 << 30), ("1KiB", 1024)]
        {
            assert_eq!(parse_size(written), Ok(bytes));
            assert_eq!(write_size(bytes), written);
        }
        assert_eq!(parse_size("1MB"), Ok(1_000_000));
        assert_eq!(write_span(Duration::ZERO), "0ms");
    }

    #[test]
    fn what_is_no_unit_is_refused() {
        for bad in
            ["", "7", "d", "-1s", "1.5h", "1w", "99999999999999999999d", "18446744073709551615d"]
        {
            assert!(parse_span(bad).is_err(), "{bad}");
        }
        assert!(parse_range("10m..500ms").is_err());
        assert!(parse_range("500ms-10m").is_err());
        assert_eq!(parse_range("1s..1s"), Ok((Duration::from_secs(1), Duration::from_secs(1))));
    }
}
