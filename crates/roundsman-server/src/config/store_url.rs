//! Store URLs: which store, and where.

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
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// `memory:`, in this process.
    Memory,
    /// `sqlite:PATH`, an embedded file.
    Sqlite(PathBuf),
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
            "postgres" | "postgresql" | "mysql" | "redis" | "rediss" | "kafka" => Err(format!(
                "{scheme} is not available in this version; write `sqlite:PATH` or `memory:`"
            )),
            _ => Err("no such store; write `sqlite:PATH` or `memory:`".to_owned()),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}
