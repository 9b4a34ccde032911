//! Where the database is, as a URL says it.

use mysql_async::{Opts, OptsBuilder, SslOpts};
use roundsman_store::StoreError;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the database is, and how to get there.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) opts: Opts,
    pub(super) database: String,
    pub(super) tls: Tls,
    /// For messages to people: without the password.
    pub(super) name: String,
}

/// Whether connections are encrypted.
#[derive(Clone)]
pub(super) enum Tls {
    Never,
    /// Where the server can.
    Preferred(SslOpts),
    Always(SslOpts),
}

impl Place {
    /// Reads `mysql://user:password@host:port/database?schema=…&ssl-mode=…`.
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let base = base
            .strip_prefix("mariadb:")
            .map_or_else(|| base.to_owned(), |rest| format!("mysql:{rest}"));
        let (mut schema, mut mode, mut roots) = (None, "preferred", None);
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("schema", value) => schema = Some(value.to_owned()),
                ("ssl-mode" | "sslmode", value) => mode = value,
                ("ssl-ca", value) => roots = Some(PathBuf::from(value)),
                _ => rest.push(pair),
            }
        }
        let url = if rest.is_empty() { base } else { format!("{base}?{}", rest.join("&")) };
        let opts = Opts::from_url(&url).map_err(|error| {
            unusable(&format!(
                "{error}; a store's URL looks like `mysql://user:password@host/database`"
            ))
        })?;
        let database = schema.or_else(|| opts.db_name().map(str::to_owned));
        let database = database.unwrap_or_else(|| "roundsman".to_owned());
        if database.is_empty() || database.len() > 64 || database.contains(['`', '\0', '/']) {
            return Err(unusable("`schema` is the name of a database, of 1 to 64 bytes"));
        }
        let user = opts.user().map(|user| format!("{user}@")).unwrap_or_default();
        let name =
            format!("mysql://{user}{}:{}/{database}", opts.ip_or_hostname(), opts.tcp_port());
        let tls = tls(mode, roots.as_deref())?;
        let opts = OptsBuilder::from_opts(opts)
            .db_name(None::<String>)
            .prefer_socket(false)
            .tcp_keepalive(Some(Duration::from_secs(5)))
            .stmt_cache_size(256)
            .into();
        Ok(Self { opts, database, tls, name })
    }
}

fn tls(mode: &str, roots: Option<&Path>) -> Result<Tls, StoreError> {
    let checked = || {
        let roots = roots.map(|roots| roots.to_owned().into()).into_iter().collect::<Vec<_>>();
        SslOpts::default().with_root_certs(roots)
    };
    let unchecked = || SslOpts::default().with_danger_accept_invalid_certs(true);
    Ok(match mode.to_ascii_lowercase().as_str() {
        "disabled" | "disable" => Tls::Never,
        "preferred" | "prefer" => Tls::Preferred(unchecked()),
        "required" | "require" => Tls::Always(unchecked()),
        "verify_ca" | "verify-ca" => {
            Tls::Always(checked().with_danger_skip_domain_validation(true))
        }
        "verify_identity" | "verify-full" => Tls::Always(checked()),
        other => {
            return Err(unusable(&format!(
                "ssl-mode is {other}; write disabled, preferred, required, verify_ca or \
                 verify_identity"
            )));
        }
    })
}

fn unusable(what: &str) -> StoreError {
    StoreError::Unusable(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_how_and_its_password_is_not_told() {
        let place = Place::parse("mariadb://rider:secret@db:3307/post?ssl-mode=required").unwrap();
        assert_eq!(place.name, "mysql://rider@db:3307/post");
        assert!(matches!(place.tls, Tls::Always(_)));
        assert_eq!(Place::parse("mysql://db/post?schema=other").unwrap().database, "other");
        assert_eq!(Place::parse("mysql://db").unwrap().database, "roundsman");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for url in [
            "mysql://a:secret@b/c?ssl-mode=often",
            "mysql://a:secret@b/c?schema=",
            "mysql://a:secret@b/c?colour=red",
            "mysql://a:secret@b:port/c",
        ] {
            let Err(StoreError::Unusable(what)) = Place::parse(url) else { panic!("{url}") };
            assert!(!what.contains("secret"), "{what}");
        }
    }
}
