//! What an answer means: delivered, tried again, slowed down, or gone. Pure.

use hyper::StatusCode;
use roundsman_store::Timestamp;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What an attempt says of its message and of its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Taken: any status from 200 to 299.
    Delivered,
    /// 410: the endpoint wants nothing more.
    Gone,
    /// 429 or 503 with `Retry-After`: nothing before this moment.
    Slow(Timestamp),
    /// The endpoint is there, and this message is not to its taste: the statuses from 400 on that
    /// speak of the request itself.
    Unfit,
    /// The endpoint fails: every other status, and no answer at all.
    Failing,
    /// It let the time run out, and held a slot all the while.
    Late,
}

/// The longest wait that a `Retry-After` is taken at its word for.
pub const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// What a status means; `retry_after` is the header of that name, where there is one.
#[must_use]
pub fn judge(status: StatusCode, retry_after: Option<&str>, now: Timestamp) -> Verdict {
    match status.as_u16() {
        200..=299 => Verdict::Delivered,
        410 => Verdict::Gone,
        429 | 503 => match retry_after.and_then(|written| wait(written, now)) {
            Some(wait) if !wait.is_zero() => Verdict::Slow(now.after(wait.min(LONGEST_WAIT))),
            _ => Verdict::Failing,
        },
        // Who is asking, where, how often, how late: of the endpoint, not of the message.
        401 | 403 | 404 | 407 | 408 | 421 | 425 => Verdict::Failing,
        400..=499 => Verdict::Unfit,
        _ => Verdict::Failing,
    }
}

/// How long to wait, from seconds or from a date (RFC 9110, section 10.2.3).
fn wait(written: &str, now: Timestamp) -> Option<Duration> {
    let written = written.trim();
    if !written.is_empty() && written.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are longer than any wait.
        return Some(written.parse().map_or(LONGEST_WAIT, Duration::from_secs));
    }
    let moment: SystemTime = httpdate::parse_http_date(written).ok()?;
    let since = moment.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::default().after(since).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_796_119_200_000_000);

    fn of(status: u16, retry_after: Option<&str>) -> Verdict {
        judge(StatusCode::from_u16(status).unwrap(), retry_after, NOW)
    }

    #[test]
    fn each_status_has_its_meaning() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(of(status, Some("9")), Verdict::Delivered, "{status}");
        }
        for status in
            [101, 300, 301, 302, 307, 308, 401, 403, 404, 408, 429, 500, 502, 503, 504, 599]
        {
            assert_eq!(of(status, None), Verdict::Failing, "{status}");
        }
        for status in [400, 402, 405, 409, 413, 415, 422, 431, 451] {
            assert_eq!(of(status, None), Verdict::Unfit, "{status}");
        }
        assert_eq!(of(410, None), Verdict::Gone);
        assert_eq!(of(500, Some("9")), Verdict::Failing, "only 429 and 503 say when");
    }

    #[test]
    fn retry_after_in_seconds_and_as_a_date() {
        let slow = |seconds| Verdict::Slow(NOW.after(Duration::from_secs(seconds)));
        assert_eq!(of(429, Some("7")), slow(7));
        assert_eq!(of(503, Some(" 120 ")), slow(120));
        assert_eq!(of(503, Some("Tue, 01 Dec 2026 10:00:30 GMT")), slow(30));
        assert_eq!(of(503, Some("999999999999999999999999")), slow(3600), "an hour at most");
        for nothing in ["0", "", "-1", "soon", "1.5", "Tue, 01 Dec 2026 09:59:59 GMT"] {
            assert_eq!(of(429, Some(nothing)), Verdict::Failing, "{nothing}");
        }
    }
}
