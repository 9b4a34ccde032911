//! A query as it is configured, and its values as bound parameters. Pure.

use std::fmt;
use std::str::FromStr;

/// A query with `{values}` in it: `… where id in ({values})`, or `… = any({values})` for PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    before: String,
    after: String,
}

const VALUES: &str = "{values}";

impl FromStr for Query {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let cure = "write one query with {values} in it, like \
                    \"select id, name from users where id in ({values})\"";
        let query = written.trim().trim_end_matches(';').trim_end();
        let (before, after) = query.split_once(VALUES).ok_or(cure)?;
        let is_quoted = |text: &str| text.matches('\'').count() % 2 == 1;
        if after.contains(VALUES) {
            return Err(format!("{VALUES} stands there twice; {cure}"));
        }
        if is_quoted(before) {
            return Err(format!("{VALUES} stands in a string; write it without quotes"));
        }
        Ok(Self { before: before.to_owned(), after: after.to_owned() })
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{VALUES}{}", self.before, self.after)
    }
}

impl Query {
    /// The query with so many parameters, `?`.
    pub(super) fn marked(&self, count: usize) -> String {
        format!("{}{}{}", self.before, vec!["?"; count].join(","), self.after)
    }

    /// The query with so many parameters, `$1` and on; with one where it takes a list.
    pub(super) fn numbered(&self, count: usize) -> String {
        let count = if self.takes_list() { 1 } else { count };
        let marks: Vec<String> = (1..=count).map(|number| format!("${number}")).collect();
        format!("{}{}{}", self.before, marks.join(","), self.after)
    }

    /// The first of these columns, which rows are matched on, and the one that is asked for, where
    /// that can be told and they are not the same.
    pub(super) fn mismatch(&self, columns: &[String]) -> Option<(String, String)> {
        let before = self.before.to_ascii_lowercase();
        let asked = before.trim_end().strip_suffix('(')?.trim_end();
        let asked = ["in", "any"].iter().find_map(|word| asked.strip_suffix(word))?;
        let asked = asked.trim_end().trim_end_matches('=').split_whitespace().last()?;
        let (asked, first) = (name(asked)?, columns.first()?.to_ascii_lowercase());
        // One that is called otherwise, `user_id as id`, is the same.
        let list = before.trim_start().strip_prefix("select")?;
        let item = list.split([',']).next()?.split(" from ").next()?;
        let is_asked = item.split_whitespace().next().and_then(name).is_some_and(|it| it == asked);
        (first != asked && !is_asked).then_some((first, asked))
    }

    /// Whether the values are one list: `any({values})`.
    pub(super) fn takes_list(&self) -> bool {
        let before = self.before.trim_end();
        before
            .strip_suffix('(')
            .map(|before| before.trim_end().to_ascii_lowercase())
            .is_some_and(|before| before.ends_with("any") || before.ends_with("unnest"))
    }
}

/// A column without its table and quotes; `None` for anything but a name.
fn name(written: &str) -> Option<String> {
    let last = written.rsplit('.').next()?.trim_matches(['"', '`']);
    let is_name = !last.is_empty() && last.chars().all(|it| it.is_alphanumeric() || it == '_');
    is_name.then(|| last.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_parameters() {
        let query: Query = "select id from t where id in ({values}) and ok; ".parse().unwrap();
        assert_eq!(query.marked(2), "select id from t where id in (?,?) and ok");
        assert_eq!(query.numbered(2), "select id from t where id in ($1,$2) and ok");
        let query: Query = "select id from t where id = ANY ( {values})".parse().unwrap();
        assert_eq!(query.numbered(7), "select id from t where id = ANY ( $1)");
        for bad in ["select 1", "x {values} {values}", "select * from t where id in ('{values}')"] {
            assert!(bad.parse::<Query>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_first_column_is_the_one_that_is_asked_for() {
        let of = |written: &str, first: &str| {
            written.parse::<Query>().unwrap().mismatch(&[first.to_owned(), "n".to_owned()])
        };
        for (good, first) in [
            ("select id, name from users where id in ({values})", "id"),
            ("select u.id from users u where u.id = any({values})", "id"),
            ("SELECT user_id AS id, n FROM x WHERE \"id\" IN ({values})", "id"),
            ("select u.id as who, n from users u where u.id in ({values})", "who"),
            ("select * from users where id in ({values})", "ID"),
            ("select lower(id), n from users where lower(id) in ({values})", "lower(id)"),
        ] {
            assert_eq!(of(good, first), None, "{good}");
        }
        let wrong = Some(("name".to_owned(), "id".to_owned()));
        assert_eq!(of("select name, id from users where id in ({values})", "name"), wrong);
        assert_eq!(of("select * from users where id in ({values})", "name"), wrong);
    }
}
