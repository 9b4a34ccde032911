//! Where a cluster of Apache Kafka is, how it is spoken to and as whom, read from a URL.
//!
//! A log lies in one, and so may a store: both read their URLs here.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::fmt;

/// Brokers of Apache Kafka, and how to speak to them. What it shows has its password masked.
///
/// ```
/// use roundsman_logs::Cluster;
///
/// let (cluster, path) = Cluster::parse("kafka://shop:s%40cret@a:9092,b:9092/orders", "a URL")?;
/// assert_eq!((cluster.brokers(), path), ("a:9092,b:9092", "orders"));
/// assert_eq!(cluster.url("orders"), "kafka://shop:***@a:9092,b:9092/orders?sasl=plain");
/// assert!(cluster.settings().contains(&("sasl.password", "s@cret".to_owned())));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Cluster {
    brokers: String,
    user: Option<User>,
    line: Line,
}

#[derive(Clone, PartialEq, Eq)]
struct User {
    name: String,
    password: String,
    /// One of [`SASL`].
    sasl: &'static str,
}

#[derive(Clone, PartialEq, Eq)]
enum Line {
    Plain,
    /// Without a file, the authorities are those of the system.
    Tls {
        ca: Option<String>,
    },
}

impl Cluster {
    /// The cluster of `kafka://[name:password@]host:port,…/PATH[?options]`, or of `kafkas://…` for
    /// TLS, and the path. `example` is what a URL of this kind looks like.
    ///
    /// # Errors
    /// What is wrong and what to write instead, without the password.
    pub fn parse<'a>(url: &'a str, example: &str) -> Result<(Self, &'a str), String> {
        let (cluster, path) = read(url, example)?;
        match cluster.wants_tls() && !cfg!(feature = "kafka-tls") {
            true => Err(WITHOUT_TLS.to_owned()),
            false => Ok((cluster, path)),
        }
    }

    /// `host:port`, with commas between.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// What a client is told beside the brokers, by librdkafka's names. The password is among it.
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let protocol = match (&self.line, &self.user) {
            (Line::Plain, None) => "plaintext",
            (Line::Plain, Some(_)) => "sasl_plaintext",
            (Line::Tls { .. }, None) => "ssl",
            (Line::Tls { .. }, Some(_)) => "sasl_ssl",
        };
        let mut settings = vec![("security.protocol", protocol.to_owned())];
        if let Line::Tls { ca } = &self.line {
            // It looks for the system's where they lie.
            let ca = ca.as_deref().unwrap_or("probe");
            settings.push(("ssl.ca.location", ca.to_owned()));
        }
        if let Some(User { name, password, sasl }) = &self.user {
            settings.push(("sasl.mechanism", sasl.to_ascii_uppercase()));
            settings.push(("sasl.username", name.clone()));
            settings.push(("sasl.password", password.clone()));
        }
        settings
    }

    /// The URL of `path` there, with the password masked.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.line == Line::Plain { "kafka" } else { "kafkas" };
        let (mut user, mut options) = (String::new(), Vec::new());
        if let Some(User { name, sasl, .. }) = &self.user {
            user = format!("{}:***@", utf8_percent_encode(name, NAME));
            options.push(format!("sasl={sasl}"));
        }
        if let Line::Tls { ca: Some(ca) } = &self.line {
            options.push(format!("ca={}", utf8_percent_encode(ca, PATH)));
        }
        let mark = if options.is_empty() { "" } else { "?" };
        format!("{scheme}://{user}{}/{path}{mark}{}", self.brokers, options.join("&"))
    }

    /// The client has SCRAM, whose hashes are OpenSSL's, only together with TLS.
    fn wants_tls(&self) -> bool {
        self.line != Line::Plain || self.user.as_ref().is_some_and(|user| user.sasl != PLAIN)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url(""))
    }
}

fn read<'a>(url: &'a str, example: &str) -> Result<(Cluster, &'a str), String> {
    let cure = || format!("write {example}");
    let (scheme, rest) = url.split_once("://").ok_or_else(cure)?;
    let (authority, rest) = rest.split_once('/').ok_or_else(cure)?;
    if rest.contains('@') {
        // It may be a part of a password that stands there: it is not shown.
        return Err(format!("an `@` is behind the first `/`: {ENCODE}"));
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (user, brokers) = match authority.rsplit_once('@') {
        Some((user, brokers)) => (Some(user), brokers),
        None => (None, authority),
    };
    if brokers.split(',').any(str::is_empty) || brokers.contains('?') {
        return Err(cure());
    }
    let (sasl, ca) = options(query)?;
    let line = match (scheme, ca) {
        ("kafka", None) => Line::Plain,
        ("kafka", Some(_)) => {
            return Err("`ca` is for TLS; write `kafkas://`, or leave it out".to_owned());
        }
        ("kafkas", ca) => Line::Tls { ca },
        _ => return Err(cure()),
    };
    let user = match (user, sasl) {
        (None, None) => None,
        (None, Some(_)) => {
            return Err(
                "`sasl` is how a name and a password are shown, and there are none; write \
                        `name:password@` before the brokers, or leave it out"
                    .to_owned(),
            );
        }
        (Some(user), sasl) => Some(named(user, sasl.unwrap_or(PLAIN))?),
    };
    Ok((Cluster { brokers: brokers.to_owned(), user, line }, path))
}

/// Who `name:password` is.
fn named(user: &str, sasl: &'static str) -> Result<User, String> {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    if name.is_empty() {
        return Err("the name is empty; write `name:password@` before the brokers".to_owned());
    }
    if password.is_empty() {
        return Err("the password is missing; write `name:password@` before the brokers".to_owned());
    }
    let (name, password) = (decoded("name", name)?, decoded("password", password)?);
    Ok(User { name, password, sasl })
}

/// `sasl` and `ca`.
fn options(query: &str) -> Result<(Option<&'static str>, Option<String>), String> {
    let (mut sasl, mut ca) = (None, None);
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let is_second = match name {
            "sasl" => {
                let known = SASL.into_iter().find(|known| *known == value).ok_or_else(|| {
                    format!("sasl={value:?} is not known; write one of {}", SASL.join(", "))
                })?;
                sasl.replace(known).is_some()
            }
            "ca" if value.is_empty() => {
                return Err("`ca` is empty; write `ca=PATH`, or leave it out".to_owned());
            }
            "ca" => ca.replace(decoded("ca", value)?).is_some(),
            _ => {
                return Err(format!(
                    "{name:?} is no option here; there are `sasl`, and with `kafkas://` `ca`"
                ));
            }
        };
        if is_second {
            return Err(format!("`{name}` stands there twice; write it once"));
        }
    }
    Ok((sasl, ca))
}

fn decoded(what: &str, written: &str) -> Result<String, String> {
    let text = percent_decode_str(written).decode_utf8().ok();
    let text = text.filter(|text| !text.contains('\0'));
    text.map(Into::into).ok_or_else(|| format!("the {what} is no text; {ENCODE}"))
}

const PLAIN: &str = "plain";
const SASL: [&str; 3] = [PLAIN, "scram-sha-256", "scram-sha-512"];
const ENCODE: &str = "write characters with a meaning in URLs percent-encoded, like %40 for `@` and \
                      %2F for `/`";
const WITHOUT_TLS: &str = "TLS and SCRAM are not in this program as it was built; build it with \
                           `cargo build --release --features kafka-tls`";

/// What a name keeps as it is.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
/// What a path does.
const PATH: &AsciiSet = &NAME.remove(b'/');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_read_and_write() {
        for (written, shown) in [
            ("kafka://a:1,b/x", "kafka://a:1,b/x"),
            ("kafkas://a/x?", "kafkas://a/x"),
            ("kafka://n:p@a/x", "kafka://n:***@a/x?sasl=plain"),
            ("kafka://n%3A:p@s?:%2f@a/x", "kafka://n%3A:***@a/x?sasl=plain"),
            (
                "kafkas://n:p@a,b/x?ca=/c%20d/e.pem&sasl=scram-sha-512",
                "kafkas://n:***@a,b/x?sasl=scram-sha-512&ca=/c%20d/e.pem",
            ),
        ] {
            let (cluster, path) = read(written, "").unwrap();
            assert_eq!((path, cluster.url("x").as_str()), ("x", shown));
            let debug = format!("{cluster:?}");
            assert!(!debug.contains(":p") && debug.contains(":***") == written.contains("p@"));
        }
    }

    #[test]
    fn clients_are_told_all_of_it() {
        let settings = |url| read(url, "").unwrap().0.settings();
        let owned = |it: &[(&'static str, &str)]| -> Vec<_> {
            it.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
        };
        assert_eq!(settings("kafka://a/"), owned(&[("security.protocol", "plaintext")]));
        let tls = [("security.protocol", "ssl"), ("ssl.ca.location", "probe")];
        assert_eq!(settings("kafkas://a/"), owned(&tls));
        let all = [
            ("security.protocol", "sasl_ssl"),
            ("ssl.ca.location", "/c d"),
            ("sasl.mechanism", "SCRAM-SHA-256"),
            ("sasl.username", "n"),
            ("sasl.password", "p:@/"),
        ];
        let url = "kafkas://n:p:%40%2F@a/?sasl=scram-sha-256&ca=/c%20d";
        assert_eq!(settings(url), owned(&all));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (url, fault) in [
            ("kafka://secret", "write a URL"),
            ("kafka://a,,b/x", "write a URL"),
            ("kafka://n:secret@/x", "write a URL"),
            ("http://n:secret@a/x", "write a URL"),
            ("kafka://a?sasl=plain/x", "write a URL"),
            ("kafka://:secret@a/x", "the name is empty; write"),
            ("kafka://n@a/x", "the password is missing; write"),
            ("kafka://n:@a/x", "the password is missing; write"),
            ("kafka://n:secret%ff@a/x", "the password is no text; write"),
            ("kafka://n:secret%00@a/x", "the password is no text; write"),
            ("kafka://n:s/secret@a/x", "an `@` is behind the first `/`: write"),
            ("kafka://n:s/x?secret@a/x", "an `@` is behind the first `/`: write"),
            ("kafka://a/x?sasl=plain", "there are none; write"),
            ("kafka://n:secret@a/x?sasl=PLAIN", "is not known; write one of plain, scram-sha-256"),
            ("kafka://n:secret@a/x?sals=plain", "\"sals\" is no option here; there are"),
            ("kafka://a/x?ca=/b", "write `kafkas://`, or leave it out"),
            ("kafkas://a/x?ca=", "`ca` is empty; write"),
            ("kafkas://a/x?ca=b&ca=c", "`ca` stands there twice; write it once"),
        ] {
            let found = read(url, "a URL").map(drop).unwrap_err();
            assert!(found.contains(fault) && !found.contains("ret"), "{url}: {found}");
        }
    }

    #[test]
    fn what_this_program_was_not_built_for_is_refused() {
        for (url, wants) in [
            ("kafka://a/x", false),
            ("kafka://n:p@a/x", false),
            ("kafka://n:p@a/x?sasl=scram-sha-256", true),
            ("kafkas://a/x", true),
        ] {
            assert_eq!(read(url, "").unwrap().0.wants_tls(), wants, "{url}");
            let is_refused = Cluster::parse(url, "").is_err_and(|fault| fault == WITHOUT_TLS);
            assert_eq!(is_refused, wants && !cfg!(feature = "kafka-tls"), "{url}");
        }
    }
}
