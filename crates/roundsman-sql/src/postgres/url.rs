//! Where the database is, as a URL says it.

use roundsman_store::StoreError;
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// Where the database is, and how to get there.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) config: Config,
    pub(super) schema: String,
    pub(super) check: Check,
    /// Certificates of who may vouch for the server; the usual ones where none is named.
    pub(super) roots: Option<PathBuf>,
    /// For messages to people: without the password.
    pub(super) name: String,
}

/// What is checked of a server's certificate, as `sslmode` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Nothing,
    /// That someone trusted vouches for it.
    Authority,
    /// That, and that it is for this name.
    Name,
}

impl Place {
    /// Reads `postgres://user:password@host:port/database?schema=…&sslmode=…`.
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut schema, mut mode, mut roots) = ("roundsman".to_owned(), None, None);
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "schema" => schema = decoded(value)?,
                "sslmode" => mode = Some(value),
                "sslrootcert" => roots = Some(PathBuf::from(decoded(value)?)),
                _ => rest.push(pair),
            }
        }
        let (ssl, check) = sslmode(mode)?;
        let url =
            if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            let cause = std::error::Error::source(&error);
            let cause = cause.map_or_else(|| error.to_string(), ToString::to_string);
            unusable(&format!(
                "{cause}; a store's URL looks like `postgres://user:password@host/database`"
            ))
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(unusable("no host is named, as in `postgres://user@localhost/database`"));
        }
        if schema.is_empty()
            || schema.len() > 63
            || schema.starts_with("pg_")
            || schema.contains('\0')
        {
            return Err(unusable(
                "`schema` is a name of 1 to 63 bytes that does not begin with pg_",
            ));
        }
        config.ssl_mode(ssl);
        if config.get_application_name().is_none() {
            config.application_name("roundsman");
        }
        // A network that swallows everything is found out within the time that a takeover has.
        config.connect_timeout(Duration::from_secs(5));
        config.keepalives_idle(Duration::from_secs(5));
        config.keepalives_interval(Duration::from_secs(2));
        config.keepalives_retries(3);
        config.tcp_user_timeout(Duration::from_secs(10));
        let name = name(&config);
        Ok(Self { config, schema, check, roots, name })
    }
}

fn sslmode(mode: Option<&str>) -> Result<(SslMode, Check), StoreError> {
    Ok(match mode {
        Some("disable") => (SslMode::Disable, Check::Nothing),
        None | Some("prefer") => (SslMode::Prefer, Check::Nothing),
        Some("require") => (SslMode::Require, Check::Nothing),
        Some("verify-ca") => (SslMode::Require, Check::Authority),
        Some("verify-full") => (SslMode::Require, Check::Name),
        Some(other) => {
            return Err(unusable(&format!(
                "sslmode is {other}; write disable, prefer, require, verify-ca or verify-full"
            )));
        }
    })
}

/// The database as people are told of it.
fn name(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let user = config.get_user().map(|user| format!("{user}@")).unwrap_or_default();
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("postgres://{user}{host}:{port}/{database}")
}

fn decoded(value: &str) -> Result<String, StoreError> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next(), rest.next()].map(|digit| digit.map(char::from));
        let digit = |at: usize| digits[at].and_then(|digit| digit.to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Err(unusable("a `%` in the URL is not followed by two hexadecimal digits"));
        };
        bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
    }
    String::from_utf8(bytes).map_err(|_| unusable("the URL is not UTF-8"))
}

fn unusable(what: &str) -> StoreError {
    StoreError::Unusable(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_how_and_its_password_is_not_told() {
        let url =
            "postgres://rider:sec%40ret@db.example:5433/post?schema=a%20b&sslmode=verify-full";
        let place = Place::parse(url).unwrap();
        assert_eq!(place.name, "postgres://rider@db.example:5433/post");
        assert_eq!((place.schema.as_str(), place.check), ("a b", Check::Name));
        assert_eq!(place.config.get_password(), Some(&b"sec@ret"[..]));
        assert_eq!(place.config.get_ssl_mode(), SslMode::Require);
        let plain = Place::parse("postgres://localhost/post").unwrap();
        assert_eq!((plain.schema.as_str(), plain.check), ("roundsman", Check::Nothing));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for url in [
            "postgres://a:secret@b/c?sslmode=often",
            "postgres://a:secret@b/c?schema=",
            "postgres://a:secret@b/c?schema=%zz",
            "postgres://a:secret@b/c?colour=red",
            "postgres://a:secret@b:port/c",
        ] {
            let Err(StoreError::Unusable(what)) = Place::parse(url) else { panic!("{url}") };
            assert!(!what.contains("secret"), "{what}");
        }
    }
}
