//! The URL of a rule: fixed, or with places for the topic. Pure.
//!
//! A place stands in the path or in the query, never in what decides where the request goes, and
//! what fills it is percent-encoded, so that no topic leads to another host, port or path segment.

use super::address::refusal;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt::{self, Write};
use std::net::IpAddr;
use url::{Host, Url};

/// The URL of a rule, as it is written and checked.
///
/// `{topic}` stands for the whole topic, `{*}` for what the `*` of the rule's `topics` stood for.
///
/// ```
/// use roundsman_server::webhook::Template;
///
/// let template = Template::parse("https://example.com/hooks/{*}?of={topic}", "hook:*")?;
/// let url = template.fill("hook:a/b");
/// assert_eq!(url.as_deref(), Some("https://example.com/hooks/a%2Fb?of=hook%3Aa%2Fb"));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// What stands before the first place, normalised; the whole URL where there is none.
    head: String,
    /// Each place with what stands behind it.
    rest: Vec<(Place, String)>,
    /// Bytes of a topic that `{*}` leaves out.
    prefix: usize,
    host: Host<String>,
    is_secure: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Topic,
    Star,
}

/// What needs no encoding anywhere in a URL (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Ports that speak something else, which a POST must not be smuggled into (those of the Fetch
/// standard that mail, files and shells use).
const BAD_PORTS: [u16; 14] = [21, 22, 23, 25, 53, 110, 119, 135, 139, 143, 389, 465, 587, 993];

impl Template {
    /// Reads a URL of a rule for `topics`.
    ///
    /// # Errors
    /// What would be right.
    pub fn parse(written: &str, topics: &str) -> Result<Self, String> {
        let (pieces, places) = split(written, topics.ends_with('*'))?;
        // Each place as letters that stay as they are, so that the whole can be read as a URL.
        let marks: Vec<String> = (0..places.len()).map(|at| format!("placeplace{at}x")).collect();
        let whole = pieces[0].to_owned()
            + &marks
                .iter()
                .zip(&pieces[1..])
                .map(|(mark, piece)| format!("{mark}{piece}"))
                .collect::<String>();
        let url = Url::parse(&whole)
            .map_err(|error| format!("write a URL like \"https://example.com/hook\" ({error})"))?;
        let host = check(&url)?;
        let text = url.as_str();
        let path = url[url::Position::BeforePath..].to_owned();
        let mut head = text[..text.len() - path.len()].to_owned();
        let mut rest: Vec<(Place, String)> = Vec::with_capacity(places.len());
        let mut left = path.as_str();
        for (mark, place) in marks.iter().zip(places) {
            let (before, after) = left.split_once(mark.as_str()).ok_or_else(|| {
                format!("{place} may stand in the path and in the query, nowhere else")
            })?;
            match rest.last_mut() {
                Some((_, behind)) => before.clone_into(behind),
                None => head.push_str(before),
            }
            rest.push((place, String::new()));
            left = after;
        }
        match rest.last_mut() {
            Some((_, behind)) => left.clone_into(behind),
            None => head.push_str(left),
        }
        let prefix = topics.trim_end_matches('*').len();
        Ok(Self { head, rest, prefix, host, is_secure: url.scheme() == "https" })
    }

    /// The URL for a topic; `None` where the topic would make a path of dots, which leads upwards.
    #[must_use]
    pub fn fill(&self, topic: &str) -> Option<String> {
        let mut url = self.head.clone();
        for (place, behind) in &self.rest {
            let value = match place {
                Place::Topic => topic,
                Place::Star => topic.get(self.prefix..)?,
            };
            // Writing to a string does not fail.
            let _ = write!(url, "{}{behind}", utf8_percent_encode(value, ENCODED));
        }
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let leads_up =
            !self.rest.is_empty() && path.split('/').any(|part| part == "." || part == "..");
        (!leads_up).then_some(url)
    }

    /// Whether every topic has the same URL.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.rest.is_empty()
    }

    /// Whether it is `https`.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Its host with its port.
    #[must_use]
    pub fn host(&self) -> String {
        let rest = self.head.split_once("://").map_or("", |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default().to_owned()
    }

    /// Its host's name; `None` where it is an address.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match &self.host {
            Host::Domain(name) => Some(name),
            Host::Ipv4(_) | Host::Ipv6(_) => None,
        }
    }

    /// What is wrong with its host, as far as that can be said without asking anybody: an address
    /// that is refused, or a name that always means this machine.
    #[must_use]
    pub fn refusal(&self, allow_private: bool) -> Option<&'static str> {
        match &self.host {
            Host::Ipv4(address) => refusal(IpAddr::V4(*address), allow_private),
            Host::Ipv6(address) => refusal(IpAddr::V6(*address), allow_private),
            Host::Domain(name) => {
                let name = name.trim_end_matches('.');
                let local = name == "localhost" || name.ends_with(".localhost");
                (local && !allow_private).then_some("a name of this machine")
            }
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head)?;
        self.rest.iter().try_for_each(|(place, behind)| write!(f, "{place}{behind}"))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Topic => "{topic}",
            Self::Star => "{*}",
        })
    }
}

/// What stands between the places, and the places.
fn split(written: &str, has_star: bool) -> Result<(Vec<&str>, Vec<Place>), String> {
    let (mut pieces, mut places, mut left) = (Vec::new(), Vec::new(), written);
    while let Some((before, after)) = left.split_once('{') {
        let (name, behind) =
            after.split_once('}').ok_or_else(|| "{ is not closed by }".to_owned())?;
        places.push(match name {
            "topic" => Place::Topic,
            "*" if has_star => Place::Star,
            "*" => return Err("{*} needs topics that end in *".to_owned()),
            _ => return Err(format!("{{{name}}} is no place; write {{topic}} or {{*}}")),
        });
        pieces.push(before);
        left = behind;
    }
    pieces.push(left);
    Ok((pieces, places))
}

/// The host of a URL that a webhook may have.
fn check(url: &Url) -> Result<Host<String>, String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err("the URL must begin with https:// or http://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("leave user and password out of the URL; a header can carry them, like \
                    headers = { authorization = \"env:NAME\" }"
            .to_owned());
    }
    if url.fragment().is_some() {
        return Err("leave out what stands behind #; it is never sent".to_owned());
    }
    if url.port().is_some_and(|port| BAD_PORTS.contains(&port)) {
        return Err("this port is not one of HTTP".to_owned());
    }
    url.host().map(|host| host.to_owned()).ok_or_else(|| "the URL names no host".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(written: &str) -> Template {
        Template::parse(written, "hook:*").unwrap()
    }

    #[test]
    fn a_fixed_url_is_the_same_for_every_topic() {
        let template = parse("HTTPS://Example.com:443/a?b=c");
        assert!(template.is_fixed() && template.is_secure());
        assert_eq!(template.fill("hook:1").as_deref(), Some("https://example.com/a?b=c"));
        assert_eq!(template.to_string(), "https://example.com/a?b=c");
        assert_eq!(
            (template.host().as_str(), template.name()),
            ("example.com", Some("example.com"))
        );
        assert_eq!(parse("http://example.com").fill("x").as_deref(), Some("http://example.com/"));
    }

    #[test]
    fn places_hold_what_stands_in_the_topic() {
        let template = parse("https://example.com/{*}/of/{topic}?t={topic}&x=1");
        assert_eq!(template.to_string(), "https://example.com/{*}/of/{topic}?t={topic}&x=1");
        assert_eq!(
            template.fill("hook:é b?#&/@").as_deref(),
            Some(
                "https://example.com/%C3%A9%20b%3F%23%26%2F%40/of/hook%3A%C3%A9%20b%3F%23%26%2F%40\
                 ?t=hook%3A%C3%A9%20b%3F%23%26%2F%40&x=1"
            )
        );
        assert_eq!(template.fill("hook:.."), None);
        assert_eq!(
            parse("https://example.com/a{*}").fill("hook:..").as_deref(),
            Some("https://example.com/a..")
        );
    }

    #[test]
    fn what_is_no_url_of_a_webhook_is_refused() {
        for bad in [
            "",
            "example.com/hook",
            "ftp://example.com/",
            "file:///etc/passwd",
            "https://",
            "https://user:secret@example.com/",
            "https://user@example.com/",
            "https://example.com/#{topic}",
            "https://example.com/#part",
            "https://{topic}/",
            "https://{*}.example.com/",
            "https://example.com:{*}/",
            "https://example.com{*}/",
            "{topic}://example.com/",
            "https://example.com/{other}",
            "https://example.com/{topic",
            "https://example.com:25/",
            "https://[fe80::1%25eth0]/",
        ] {
            assert!(Template::parse(bad, "hook:*").is_err(), "{bad}");
        }
        assert!(Template::parse("https://example.com/{*}", "hook:one").is_err());
    }

    #[test]
    fn addresses_are_seen_through_every_way_of_writing_them() {
        for private in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://2130706433/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://localhost/",
            "http://app.localhost./",
        ] {
            assert!(parse(private).refusal(false).is_some(), "{private}");
            assert_eq!(parse(private).refusal(true), None, "{private}");
        }
        assert!(parse("http://169.254.169.254/latest").refusal(true).is_some());
        assert_eq!(parse("http://example.com/").refusal(false), None);
    }

    proptest! {
        /// Whatever the topic, the request goes to the same place, and its path has the same shape.
        #[test]
        fn no_topic_leads_elsewhere(rest in any::<String>()) {
            let template = parse("https://example.com:8443/a/{*}/b?q={topic}&r=1");
            if let Some(filled) = template.fill(&format!("hook:{rest}")) {
                let url = Url::parse(&filled).unwrap();
                prop_assert_eq!(url.scheme(), "https");
                prop_assert_eq!(url.host_str(), Some("example.com"));
                prop_assert_eq!(url.port(), Some(8443));
                prop_assert_eq!(url.username(), "");
                prop_assert_eq!(url.fragment(), None);
                prop_assert_eq!(url.path().split('/').count(), 4);
                prop_assert_eq!(url.query_pairs().count(), 2);
                prop_assert_eq!(url.as_str(), filled.as_str());
            }
        }
    }
}
