//! Where a log is, read from its URL.

use crate::Cluster;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::fmt;
use std::str::FromStr;

/// Where a log is. What it shows has its password masked.
///
/// ```
/// use roundsman_logs::Address;
///
/// let address: Address = "redis://shop:secret@cache:6379/2/orders".parse()?;
/// assert_eq!(address.to_string(), "redis://shop:***@cache:6379/2/orders");
/// assert_eq!(address.name(), "orders");
/// let address: Address = "redis://cache/orders:new".parse()?;
/// assert_eq!(address.to_string(), "redis://cache/0/orders:new");
/// assert!("redis://cache:6379".parse::<Address>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// A stream on a Redis or Valkey server.
    Redis {
        /// The server and the number of the database, with a password if it takes one.
        server: String,
        /// The key of the stream.
        stream: String,
    },
    /// A topic of an Apache Kafka cluster.
    Kafka {
        /// Its brokers, with a name and a password if they ask for them.
        cluster: Cluster,
        /// Its name.
        topic: String,
    },
}

impl Address {
    /// The name of the log on its server.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Redis { stream, .. } => stream,
            Self::Kafka { topic, .. } => topic,
        }
    }
}

impl FromStr for Address {
    type Err = String;

    /// # Errors
    /// What to write instead.
    fn from_str(written: &str) -> Result<Self, String> {
        match written.split_once("://") {
            Some(("redis" | "rediss", _)) => redis(written),
            Some(("kafka" | "kafkas", _)) if !cfg!(feature = "kafka") => {
                Err(WITHOUT_KAFKA.to_owned())
            }
            Some(("kafka" | "kafkas", _)) => kafka(written),
            _ => Err(format!("write {TOPIC}, or {STREAM}")),
        }
    }
}

pub(crate) const WITHOUT_KAFKA: &str =
    "this program was built without Kafka; build it with the feature `kafka`";
const TOPIC: &str = "a topic, like \"kafka://host:9092,host:9092/orders\"";
const STREAM: &str = "a stream, like \"redis://host:6379/0/orders\"";

/// `redis://[name:password@]host[:port][/database]/stream`.
fn redis(written: &str) -> Result<Address, String> {
    let cure = || format!("write {STREAM}");
    let (scheme, rest) = written.split_once("://").ok_or_else(cure)?;
    let (authority, path) = rest.split_once('/').ok_or_else(cure)?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    let (database, stream) = match path.split_once('/') {
        Some((number, stream)) if is_number(number) => (number, stream),
        _ => ("0", path),
    };
    let stream = percent_decode_str(stream).decode_utf8().map_err(|_| cure())?.into_owned();
    if authority.is_empty() || stream.is_empty() || is_number(path) || path.contains('?') {
        return Err(cure());
    }
    let server = format!("{scheme}://{authority}/{database}");
    redis::Client::open(server.as_str()).map_err(|error| format!("{error}; write {STREAM}"))?;
    Ok(Address::Redis { server, stream })
}

/// `kafka://[name:password@]host:port,…/topic`, or `kafkas://…`.
fn kafka(written: &str) -> Result<Address, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let (cluster, topic) = Cluster::parse(written, TOPIC)?;
    match (1..=249).contains(&topic.len()) && topic.bytes().all(plain) {
        true => Ok(Address::Kafka { cluster, topic: topic.to_owned() }),
        false => Err(format!("write {TOPIC}")),
    }
}

/// What a name keeps as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b':')
    .remove(b'/')
    .remove(b'{')
    .remove(b'}');

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kafka { cluster, topic } => f.write_str(&cluster.url(topic)),
            Self::Redis { server, stream } => {
                let (scheme, rest) = server.split_once("://").unwrap_or(("redis", server));
                write!(f, "{scheme}://")?;
                let host = rest.rsplit_once('@').map_or(rest, |(user, host)| {
                    let (name, password) = user.split_once(':').unwrap_or((user, ""));
                    let mask = if password.is_empty() { "" } else { ":***" };
                    // Writing is the formatter's to fail at, and it will with the next as well.
                    let _ = write!(f, "{name}{mask}@");
                    host
                });
                write!(f, "{host}/{}", utf8_percent_encode(stream, PLAIN))
            }
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_and_write() {
        for (written, shown) in [
            ("redis://a/b", "redis://a/0/b"),
            ("rediss://:pw@a:1/3/b/c", "rediss://:***@a:1/3/b/c"),
            ("redis://a/0/5", "redis://a/0/5"),
            ("redis://a/x%20%3F", "redis://a/0/x%20%3F"),
        ] {
            let address: Address = written.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            let again = shown.replace("***", "pw").parse::<Address>();
            assert_eq!(again.as_ref(), Ok(&address));
        }
        for bad in ["redis://a", "redis://a/", "redis://a/7", "redis://a/0/", "redis:///b", "a/b"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[cfg(feature = "kafka")]
    #[test]
    fn topics_read_and_write() {
        let written = "kafka://a:1,b:2/o.r_d-s";
        assert_eq!(written.parse::<Address>().unwrap().to_string(), written);
        let named = "kafka://u:p@a/b".parse::<Address>().unwrap();
        assert_eq!(format!("{named} {named:?}").matches("kafka://u:***@a/b").count(), 2);
        for bad in ["kafka://a", "kafka://a/", "kafka://a/b/c", "kafka:///b", "kafka://u@a/b"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
