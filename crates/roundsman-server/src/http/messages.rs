//! Sending messages and looking one up.

use super::answer::json;
use super::body::{Form, collect};
use super::parse::{Parsed, Shape, parse};
use super::problem::{Faults, Problem};
use super::router::Api;
use super::sighting;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{Response, StatusCode};
use roundsman_delivery::IntakeError;
use roundsman_delivery::intake::check_id;
use roundsman_store::{AcceptError, Receipt, Refusal, StoreError};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

/// When to come again while the node drains or the store is away.
const RETRY_SOON: u32 = 2;
/// What a node says that stands by, of what only the owner of the store can do.
const STANDS_BY: &str = "this node stands by while another has the store; nothing was done: \
     ask that one, or this one once it has succeeded it";
/// When to come again while a bound is reached: a backlog takes a while to shrink.
const RETRY_LATER: u32 = 10;

/// `POST /v1/messages`.
pub(super) async fn post(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<Response<Body>, Problem> {
    let since = Instant::now();
    let (node, limits) = (&api.app.node, &api.app.config.limits);
    let (head, body) = request.into_parts();
    let form = Form::declared(&head.headers)?;
    let body = collect(&head.headers, body, limits).await?;
    let is_joined = |topic: &str| node.is_joined(topic);
    let Parsed { drafts, shape } = parse(&body, form, &node.rules(), limits, &is_joined)?;
    // The drafts hold their own copies: the body is not kept while the store writes.
    drop(body);
    let receipts = node.accept(drafts).await.map_err(|error| refused(error, shape))?;
    node.metrics().accept_seconds.observe(since.elapsed(), receipts.len() as u64);
    Ok(json(StatusCode::ACCEPTED, accepted(&receipts)))
}

/// The answer to messages that were accepted.
///
/// Written by hand: an id is made of letters that JSON takes as they are, whoever made it.
///
/// # Examples
/// ```
/// use roundsman_server::http::accepted;
/// use roundsman_store::{MessageId, Receipt};
///
/// let receipt = Receipt { id: MessageId::Given("order-991".into()), duplicate: true };
/// assert_eq!(accepted(&[receipt]), r#"{"messages":[{"id":"order-991","duplicate":true}]}"#);
/// ```
#[must_use]
pub fn accepted(receipts: &[Receipt]) -> String {
    let mut out = String::with_capacity(16 + receipts.len() * 64);
    out.push_str(r#"{"messages":["#);
    for (at, receipt) in receipts.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        // Writing to a string does not fail.
        let _ = write!(out, r#"{{"id":"{}","duplicate":{}}}"#, receipt.id, receipt.duplicate);
    }
    out.push_str("]}");
    out
}

/// `GET /v1/messages/{id}`.
pub(super) async fn find(
    State(api): State<Arc<Api>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response<Body>, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "no message with this id is known here");
    // What no id can be, none is: the store is not asked.
    let Path(id) = id.map_err(|_| unknown())?;
    check_id(&id).map_err(|_| unknown())?;
    let sighting = api.app.node.find(&id).await.map_err(|error| store_problem(&error))?;
    let sighting = sighting.ok_or_else(unknown)?;
    Ok(json(StatusCode::OK, sighting::show(&sighting).to_string()))
}

fn refused(error: IntakeError, shape: Shape) -> Problem {
    match error {
        IntakeError::Draining => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "draining; nothing was stored")
                .retry_after(RETRY_SOON)
        }
        IntakeError::Accept(AcceptError::Store(error)) => store_problem(&error),
        IntakeError::Accept(AcceptError::Refused(refusals)) => refusal_problem(&refusals, shape),
    }
}

/// 409 where an id is taken, whatever else there is, since that will not pass; else 429.
fn refusal_problem(refusals: &[Refusal], shape: Shape) -> Problem {
    let conflicts = refusals.iter().any(|refusal| refusal.bound.is_none());
    let mut faults = Faults::default();
    for Refusal { index, bound } in refusals {
        let at = shape.pointer(*index);
        match bound {
            None => faults.add(
                *index,
                format!("{at}/id"),
                "this id was given to a message that differs from this one",
            ),
            Some(bound) if !conflicts => {
                faults.add(*index, at, format!("{bound} is reached: come again once it shrinks"));
            }
            Some(_) => {}
        }
    }
    if conflicts {
        faults.problem(StatusCode::CONFLICT)
    } else {
        faults.problem(StatusCode::TOO_MANY_REQUESTS).retry_after(RETRY_LATER)
    }
}

/// What a failing store means for a request. Its own words go to the log: they name files and hosts.
pub(super) fn store_problem(error: &StoreError) -> Problem {
    let detail = match error {
        StoreError::Unsupported(why) => {
            return Problem::new(StatusCode::NOT_IMPLEMENTED, why.clone());
        }
        StoreError::Unavailable(_) => {
            "the store is away; what was asked may have been done: send it again with the same ids"
        }
        // Nothing fails here.
        StoreError::StandsBy(_) => {
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, STANDS_BY)
                .retry_after(RETRY_SOON);
        }
        StoreError::Full(_) => "the store has no room left; nothing was stored",
        StoreError::Locked(_) | StoreError::Unusable(_) | StoreError::Closed => {
            "the store cannot be used; nothing was stored"
        }
    };
    tracing::warn!(%error, "a request met a failing store");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(RETRY_SOON)
}
