//! One question to each source, so that what is wrong is known before the first message.

use super::source::Augmentation;
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
    let within = augmentation.timeout;
    let late = |_| format!("no answer within {within:?}");
    let columns = timeout(within, augmentation.columns(around)).await.map_err(late)??;
    let values: Vec<Value> = match columns {
        Some(_) => NOBODY.iter().map(|value| (*value).into()).collect(),
        None => vec![NOBODY[0].into()],
    };
    let answer = timeout(within, augmentation.lookup(around)?.look_up(values)).await;
    answer.map_err(late)?.map_err(|trouble| trouble.what.to_string())?;
    match columns.and_then(|(query, columns)| query.mismatch(&columns)) {
        Some((first, asked)) => Err(format!(
            "rows are matched on their first column, which is `{first}`, and the query asks for \
             `{asked}`: select `{asked}` first"
        )),
        None => Ok(()),
    }
}
