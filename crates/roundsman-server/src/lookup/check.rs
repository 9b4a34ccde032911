//! One question to each source, so that what is wrong is known before the first message.

use super::source::{Augmentation, From};
use crate::webhook::Surroundings;
use roundsman_delivery::Value;
use tokio::time::timeout;

/// Values that hardly anything is found for, of each type that a column may have.
const NOBODY: [&str; 3] = ["0", "\"00000000-0000-0000-0000-000000000000\"", "true"];

/// Asks once, as for a message; what is wrong, in words.
///
/// # Errors
/// What is wrong.
pub async fn check(augmentation: &Augmentation, around: &Surroundings) -> Result<(), String> {
    let lookup = augmentation.lookup(around)?;
    let query = match &augmentation.from {
        From::Postgres(_, query) | From::Mysql(_, query) | From::Sqlite(_, query) => Some(query),
        _ => None,
    };
    let values: Vec<Value> = match query {
        Some(_) => NOBODY.iter().map(|value| (*value).into()).collect(),
        None => vec![NOBODY[0].into()],
    };
    let within = augmentation.timeout;
    match timeout(within, lookup.look_up(values)).await {
        Ok(Ok(_)) => {}
        Ok(Err(trouble)) => return Err(trouble.what.to_string()),
        Err(_) => return Err(format!("no answer within {within:?}")),
    }
    match query.and_then(super::Query::mismatch) {
        Some((first, asked)) => Err(format!(
            "rows are matched on their first column, which is `{first}`, and the query asks for \
             `{asked}`: select `{asked}` first"
        )),
        None => Ok(()),
    }
}
