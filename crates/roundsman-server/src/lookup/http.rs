//! Lookups over HTTP, by the same rules of addresses as webhooks.
//!
//! The client follows no redirect, whoever it leads to, and the engine's deadline covers all of the
//! answer. A status of 404 or 410 for one value says that there is nothing for it.

use super::request::{Request, is_step};
use super::row::Asked;
use crate::webhook::{Connector, Sender, Surroundings, Verdict, chain, judge, sender, words};
use http_body_util::{BodyExt, Limited};
use hyper::StatusCode;
use hyper::header::RETRY_AFTER;
use roundsman_delivery::{Finding, Found, Lookup, Trouble, Value};
use roundsman_store::Clock;
use std::sync::Arc;
use std::time::Duration;

/// A lookup over HTTP.
pub(super) struct Http(Arc<Inner>);

struct Inner {
    request: Request,
    sender: Sender,
    clock: Arc<dyn Clock>,
}

/// Bytes of an answer that are read; more is a failure.
const LARGEST: usize = 8 << 20;
/// Bytes of the answer to a failed request that are kept.
const KEPT: usize = 1024;

impl Http {
    /// A lookup with so many connections, each made within this time.
    pub(super) fn new(
        request: Request,
        within: Duration,
        connections: usize,
        around: &Surroundings,
    ) -> Self {
        let connector = Connector {
            resolver: around.resolver.clone(),
            allow_private: request.allow_private,
            own: around.own,
            within,
        };
        let sender = sender(connector, around.tls.clone(), connections);
        Self(Arc::new(Inner { request, sender, clock: around.clock.clone() }))
    }
}

impl Lookup for Http {
    fn look_up(&self, values: Vec<Value>) -> Finding {
        let inner = self.0.clone();
        Box::pin(async move { inner.look_up(values).await })
    }
}

impl Inner {
    async fn look_up(&self, mut values: Vec<Value>) -> Result<Found, Trouble> {
        values.retain(is_step);
        let mut asked = Asked::new(values);
        let scalars = asked.scalars();
        if scalars.is_empty() {
            return Ok(asked.found());
        }
        let request = self.request.fill(&scalars).map_err(|what| Trouble::from(&*what))?;
        let sent = self.sender.request(request).await;
        let response = sent.map_err(|error| Trouble::from(&*words(&error)))?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|it| it.to_str().ok());
        let retry_after = retry_after.map(str::to_owned);
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        let body = body.map_err(|error| {
            Trouble::from(&*format!("the answer broke off: {}", chain(&*error)))
        })?;
        let body = body.to_bytes();
        let one = scalars.len() == 1 && self.request.asks_for_many() == Some(false);
        match status {
            StatusCode::NO_CONTENT => {}
            status if status.is_success() => {
                self.request.read(&body, &mut asked).map_err(|what| Trouble::from(&*what))?;
            }
            StatusCode::NOT_FOUND | StatusCode::GONE if one => {}
            status => {
                let now = self.clock.now();
                let not_before = match judge(status, retry_after.as_deref(), now) {
                    Verdict::Slow(until) => Some(until),
                    _ => None,
                };
                return Err(Trouble {
                    what: format!("it answered {status}").into(),
                    status: Some(status.as_u16()),
                    answer: body.slice(..body.len().min(KEPT)),
                    not_before,
                });
            }
        }
        Ok(asked.found())
    }
}
