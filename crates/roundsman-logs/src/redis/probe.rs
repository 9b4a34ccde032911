//! What there is to be said of a stream and its group; also how much of it is left to take.

use super::line::connect;
use crate::{LogError, Opening};
use redis::Value;
use redis::aio::MultiplexedConnection;
use std::collections::HashMap;

/// A group, as its server counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// Delivered and not acknowledged.
    pub(super) pending: u64,
    /// Not delivered; `None` where the server cannot tell.
    pub(super) lag: Option<u64>,
}

/// `None`: there is no such group.
pub(super) async fn standing(
    line: &mut MultiplexedConnection,
    stream: &str,
    group: &str,
) -> Result<Option<Standing>, LogError> {
    let asked = redis::cmd("XINFO").arg("GROUPS").arg(stream).query_async(line).await;
    let groups: Vec<HashMap<String, Value>> = asked?;
    let text = |value: &Value| redis::from_redis_value_ref::<String>(value).unwrap_or_default();
    let number = |value: &Value| redis::from_redis_value_ref::<Option<u64>>(value).ok().flatten();
    let ours = groups.iter().find(|it| it.get("name").map(text).as_deref() == Some(group));
    Ok(ours.map(|it| Standing {
        pending: it.get("pending").and_then(number).unwrap_or_default(),
        lag: it.get("lag").and_then(number),
    }))
}

pub(crate) async fn probe(
    opening: &Opening,
    server: &str,
    stream: &str,
) -> Result<String, LogError> {
    let mut line = connect(server).await?;
    let kind: String = redis::cmd("TYPE").arg(stream).query_async(&mut line).await?;
    match kind.as_str() {
        "none" => return Ok(format!("there is no stream `{stream}` yet; it is waited for")),
        "stream" => {}
        kind => {
            return Err(LogError(format!(
                "`{stream}` is no stream but a {kind}; write the key that producers XADD to"
            )));
        }
    }
    let length: u64 = redis::cmd("XLEN").arg(stream).query_async(&mut line).await?;
    let group = &opening.group;
    Ok(match standing(&mut line, stream, group).await? {
        None => format!("a stream of {length} entries; the group `{group}` is new"),
        Some(Standing { pending, lag }) => {
            let left = lag.map_or_else(|| "an unknown number".to_owned(), |lag| lag.to_string());
            format!(
                "a stream of {length} entries; the group `{group}` has {left} left to read and \
                 {pending} to acknowledge"
            )
        }
    })
}
