//! Store URLs: which store, and where.

use super::resolved::Secret;
use roundsman_logs::Cluster;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where messages are kept.
///
/// ```
/// use roundsman_server::config::StoreUrl;
///
/// assert_eq!("memory:".parse(), Ok(StoreUrl::Memory));
/// assert_eq!("sqlite:a.db".parse(), Ok(StoreUrl::Sqlite("a.db".into())));
/// assert!("sqlite:".parse::<StoreUrl>().is_err());
/// assert!("kafka://host:9092".parse::<StoreUrl>().is_err());
/// assert_eq!("kafka://a:9092,b/post".parse::<StoreUrl>()?.to_string(), "kafka://a:9092,b/post");
/// let shared: StoreUrl = "postgres://rider:secret@db/post".parse()?;
/// assert_eq!(shared.to_string(), "postgres://rider:***@db/post");
/// let asked: StoreUrl = "mysql://rider@db/post?Password=secret".parse()?;
/// assert_eq!(asked.to_string(), "mysql://rider@db/post?Password=***");
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// `memory:`, in this process.
    Memory,
    /// `sqlite:PATH`, an embedded file.
    Sqlite(PathBuf),
    /// `postgres://…`, a schema in a PostgreSQL database. It may have a password in it.
    Postgres(Secret),
    /// `mysql://…`, tables in a MySQL or MariaDB database. It may have a password in it.
    Mysql(Secret),
    /// `redis://…`, or `rediss://…` for TLS: keys with a prefix on a Redis or Valkey server.
    Redis(Secret),
    /// `kafka://host:9092,host:9092/PREFIX`, or `kafkas://…` for TLS: a topic with that prefix in an
    /// Apache Kafka cluster.
    Kafka {
        /// Its brokers, with a name and a password if they ask for them.
        cluster: Box<Cluster>,
        /// What the topic's name begins with.
        prefix: String,
    },
}

impl FromStr for StoreUrl {
    type Err = String;

    /// # Errors
    /// What is wrong and what would be right, in words.
    fn from_str(written: &str) -> Result<Self, String> {
        let (scheme, rest) = written.split_once(':').unwrap_or((written, ""));
        match scheme {
            "memory" if rest.is_empty() => Ok(Self::Memory),
            "memory" => Err("a memory store has nothing behind the colon: `memory:`".to_owned()),
            "sqlite" if rest.is_empty() || rest.starts_with('?') => {
                Err("the file is missing: `sqlite:roundsman.db`".to_owned())
            }
            "sqlite" => Ok(Self::Sqlite(PathBuf::from(rest.strip_prefix("//").unwrap_or(rest)))),
            "postgres" | "postgresql" if rest.starts_with("//") => {
                Ok(Self::Postgres(Secret::new(written)))
            }
            "postgres" | "postgresql" => {
                Err("the server is missing: `postgres://user:password@host/database`".to_owned())
            }
            "mysql" | "mariadb" if rest.starts_with("//") => Ok(Self::Mysql(Secret::new(written))),
            "mysql" | "mariadb" => {
                Err("the server is missing: `mysql://user:password@host/database`".to_owned())
            }
            "redis" | "rediss" if rest.starts_with("//") => Ok(Self::Redis(Secret::new(written))),
            "redis" | "rediss" => {
                Err("the server is missing: `redis://user:password@host:6379/0`".to_owned())
            }
            "kafka" | "kafkas" => parse_kafka(written),
            _ => Err(format!("no such store; {KINDS}")),
        }
    }
}

/// What there is to choose from.
const KINDS: &str = "write `sqlite:PATH`, `postgres://…`, `mysql://…`, `redis://…`, \
                     `kafka://…/PREFIX` or `memory:`";

fn parse_kafka(written: &str) -> Result<StoreUrl, String> {
    let example = "the brokers and a prefix: `kafka://host:9092,host:9092/roundsman`";
    let (cluster, prefix) = Cluster::parse(written, example)?;
    if prefix.is_empty() {
        return Err(format!("write {example}"));
    }
    let is_sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    // A topic's name has at most 249 bytes, and `.journal` comes behind.
    if prefix.len() > 240 || !prefix.chars().all(is_sound) {
        return Err(
            "the prefix begins a topic's name: letters, digits, `.`, `_` and `-`, at most \
                    240 of them"
                .to_owned(),
        );
    }
    Ok(StoreUrl::Kafka { cluster: Box::new(cluster), prefix: prefix.to_owned() })
}

/// A URL whose password is masked, wherever it stands, and what a query calls a secret.
pub(super) fn masked(url: &str) -> String {
    if url.starts_with("kafka") {
        // No path and no option of it has an `@`: what is in front of the last is a name's, even
        // where a `/` or a `?` was not encoded.
        return masked_user(url, url.len());
    }
    let (url, query) = url.split_once('?').map_or((url, None), |(url, query)| (url, Some(query)));
    let mask = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if SECRET.contains(&&*name.to_lowercase()) => format!("{name}=***"),
        _ => pair.to_owned(),
    };
    let query = query.map(|query| query.split('&').map(mask).collect::<Vec<_>>().join("&"));
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let authority = url.find("://").map_or(0, |at| at + 3);
    let end = url[authority..].find('/').map_or(url.len(), |at| authority + at);
    masked_user(url, end) + &query
}

/// Names that services have for a secret in a query.
const SECRET: [&str; 10] = [
    "password",
    "token",
    "access_token",
    "key",
    "apikey",
    "api_key",
    "secret",
    "sig",
    "signature",
    "code",
];

/// A name and a password stand in front of the last `@` before `end`.
fn masked_user(url: &str, end: usize) -> String {
    let Some((scheme, rest)) = url[..end].split_once("://") else { return url.to_owned() };
    let Some(at) = rest.rfind('@') else { return url.to_owned() };
    let user = rest[..at].split(':').next().unwrap_or_default();
    let password = if rest[..at].contains(':') { ":***" } else { "" };
    format!("{scheme}://{user}{password}{}{}", &rest[at..], &url[end..])
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) | Self::Mysql(url) | Self::Redis(url) => {
                f.write_str(&masked(url.reveal()))
            }
            Self::Kafka { cluster, prefix } => f.write_str(&cluster.url(prefix)),
        }
    }
}
