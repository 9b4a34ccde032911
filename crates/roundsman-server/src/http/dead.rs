//! Dead letters: seen, sent again, dropped; and messages taken back.

use super::answer::json as answer;
use super::body::{Form, collect};
use super::letters::{PageAsked, read_body, read_query};
use super::messages::store_problem;
use super::problem::Problem;
use super::router::Api;
use super::sighting;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{Response, StatusCode};
use roundsman_delivery::intake::check_id;
use roundsman_delivery::{Node, TakeBack};
use roundsman_store::{
    Clock, DeadFilter, DeadLetter, State as MessageState, StoreError, Sweep, SystemClock,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;

/// `GET /v1/dead`. A page may be shorter than asked for, or empty, and still name the next: where a
/// filter lets few through, one request looks at so many letters and no more.
pub(super) async fn page(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
) -> Result<Response<Body>, Problem> {
    let PageAsked { filter, after, limit } = read_query(query.as_deref().unwrap_or_default())?;
    let mut sweep = Sweep { filter, after, limit };
    let (mut letters, mut bytes, mut next) = (Vec::new(), 0, None);
    for _ in 0..STEPS {
        sweep.limit = limit - letters.len();
        let page = api.app.node.dead(sweep.clone()).await.map_err(|error| store_problem(&error))?;
        bytes += page.letters.iter().map(|letter| letter.payload.len()).sum::<usize>();
        letters.extend(page.letters);
        next = page.next;
        let Some(after) = next else { break };
        sweep.after = after;
        if letters.len() >= limit || bytes >= Sweep::BYTES {
            break;
        }
    }
    Ok(answer(StatusCode::OK, show_page(&letters, next)))
}

/// Steps of one request for a page.
const STEPS: usize = 32;

/// Written by hand around each payload, which goes out as it came in.
fn show_page(letters: &[DeadLetter], next: Option<u64>) -> String {
    let shown: Vec<String> = letters.iter().map(show_letter).collect();
    let next = json!(next.map(|next| next.to_string()));
    format!(r#"{{"messages":[{}],"next":{next}}}"#, shown.join(","))
}

fn show_letter(letter: &DeadLetter) -> String {
    let head = sighting::show(&letter.sighting).to_string();
    // What a sender sent was JSON when it came; should the store have damaged it, it is shown as text.
    let payload = match serde_json::from_slice::<&RawValue>(&letter.payload) {
        Ok(payload) => payload.get().to_owned(),
        Err(_) => json!(String::from_utf8_lossy(&letter.payload)).to_string(),
    };
    format!(r#"{},"payload":{payload}}}"#, head.trim_end_matches('}'))
}

/// `POST /v1/dead/replay`.
pub(super) async fn replay(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<Response<Body>, Problem> {
    let filter = which(&api, request).await?;
    let (count, unknown) = sweep(&api.app.node, Deed::Replay, filter).await?;
    Ok(told("replayed", count, unknown))
}

/// `POST /v1/dead/drop`.
pub(super) async fn drop_dead(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<Response<Body>, Problem> {
    let filter = which(&api, request).await?;
    let (count, unknown) = sweep(&api.app.node, Deed::Drop, filter).await?;
    Ok(told("dropped", count, unknown))
}

/// What is done to dead letters.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Replay,
    Drop,
}

async fn which(api: &Api, request: Request) -> Result<DeadFilter, Problem> {
    let (head, body) = request.into_parts();
    if Form::declared(&head.headers)? != Form::Json {
        let detail = "declare the body: Content-Type is application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    read_body(&collect(&head.headers, body, &api.app.config.limits).await?)
}

/// Goes through all that pass, step by step, so that others come in between. Answers how many
/// that were, and which of the ids that were named are no dead letters.
///
/// Whoever asked may leave in the middle: no further step is made then.
async fn sweep(
    node: &Node,
    deed: Deed,
    mut filter: DeadFilter,
) -> Result<(u64, Option<Vec<Arc<str>>>), Problem> {
    // What is replayed may die again: those that were dead when this began, and no others.
    let now = SystemClock.now();
    filter.until = Some(filter.until.map_or(now, |until| until.min(now)));
    let mut unknown: Option<HashSet<Arc<str>>> =
        filter.ids.as_ref().map(|ids| ids.iter().cloned().collect());
    let chunks: Vec<Option<Vec<Arc<str>>>> = match filter.ids.take() {
        Some(ids) => ids.chunks(Sweep::CHANGED).map(|ids| Some(ids.to_vec())).collect(),
        None => vec![None],
    };
    let mut count = 0;
    for ids in chunks {
        let mut after = 0;
        loop {
            let filter = DeadFilter { ids: ids.clone(), ..filter.clone() };
            let sweep = Sweep { filter, after, limit: Sweep::CHANGED };
            let swept = match deed {
                Deed::Replay => node.replay(sweep).await,
                Deed::Drop => node.drop_dead(sweep).await,
            };
            let swept = swept.map_err(|error| partly(&error, count))?;
            count += swept.done.len() as u64;
            if let Some(unknown) = &mut unknown {
                for (id, _) in &swept.done {
                    unknown.remove(id);
                }
            }
            match swept.next {
                Some(next) => after = next,
                None => break,
            }
        }
    }
    Ok((count, unknown.map(|unknown| unknown.into_iter().collect())))
}

/// The store failed in the middle: what was done stays done.
fn partly(error: &StoreError, count: u64) -> Problem {
    let mut problem = store_problem(error);
    if count > 0 {
        problem.detail = format!("{}; {count} were done before", problem.detail).into();
    }
    problem
}

fn told(what: &str, count: u64, unknown: Option<Vec<Arc<str>>>) -> Response<Body> {
    let mut told = json!({ what: count });
    if let Some(mut unknown) = unknown {
        unknown.sort_unstable();
        told["unknown"] = unknown.iter().map(|id| Value::from(&**id)).collect();
    }
    answer(StatusCode::OK, told.to_string())
}

/// `DELETE /v1/messages/{id}`.
pub(super) async fn take_back(
    State(api): State<Arc<Api>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "no message with this id is known here");
    let Path(id) = id.map_err(|_| unknown())?;
    check_id(&id).map_err(|_| unknown())?;
    let taken = api.app.node.take_back(&id).await.map_err(|error| store_problem(&error))?;
    let conflict = |detail| Err(Problem::new(StatusCode::CONFLICT, detail));
    match taken {
        TakeBack::Done => Ok(StatusCode::NO_CONTENT),
        TakeBack::Unknown => Err(unknown()),
        TakeBack::InFlight => conflict("it is in flight: too late to take it back"),
        TakeBack::Over(MessageState::Dead) => {
            conflict("it is dead: drop it with POST /v1/dead/drop")
        }
        TakeBack::Over(MessageState::Expired) => {
            conflict("it has expired: nothing is sent any more")
        }
        TakeBack::Over(_) => conflict("it has been delivered: too late to take it back"),
    }
}
