//! One request and its answer, within one deadline and with bounds on everything that is read.
//!
//! The client is hyper's own: it follows no redirect, keeps no cookie, unpacks nothing and knows
//! no proxy, because none of that is in it.

use super::connect::{ConnectError, Connector};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::RETRY_AFTER;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use std::error::Error;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;
use tower::Service;

/// Bytes of an answer's body that are read at most.
pub(crate) const READ: usize = 64 * 1024;
/// Bytes of an answer's body that are kept.
const KEPT: usize = 1024;
/// Bytes that an answer's head may have; of fields the client takes 100.
const HEAD: usize = 64 * 1024;
/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(30);

/// Sends requests and keeps connections.
pub(crate) type Sender = Client<Limited<HttpsConnector<Connector>>, Full<Bytes>>;

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    /// The status, once the head of the answer was there.
    pub(crate) status: Option<StatusCode>,
    /// What stood in `Retry-After`.
    pub(crate) retry_after: Option<String>,
    /// How its body began.
    pub(crate) body: Vec<u8>,
    /// Why the answer is not whole, in words.
    pub(crate) broken: Option<String>,
    /// The time ran out.
    pub(crate) late: bool,
}

/// A sender that dials as `connector` does, and keeps so many connections to a host.
pub(crate) fn sender(connector: Connector, tls: ClientConfig, per_host: usize) -> Sender {
    let within = connector.within;
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(per_host)
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .http1_max_buf_size(HEAD);
    builder.build(Limited { inner: connector, within })
}

/// Sends a request and reads what comes back, all of it within this time.
pub(crate) async fn post(
    sender: &Sender,
    request: Request<Full<Bytes>>,
    within: Duration,
) -> Answered {
    let mut answered = Answered::default();
    let exchange = async {
        match sender.request(request).await {
            Ok(response) => read(response, &mut answered).await,
            Err(error) => {
                answered.late = matches!(connect_error(&error), Some(ConnectError::Late));
                answered.broken = Some(words(&error));
            }
        }
    };
    if timeout(within, exchange).await.is_err() {
        let what = if answered.status.is_some() { "the answer did not end" } else { "no answer" };
        answered.broken = Some(format!("{what} within {within:?}"));
        answered.late = true;
    }
    answered
}

/// Reads an answer: all of a short body, so that its connection can be used again; of a long one
/// the beginning, and then the connection is closed.
async fn read(response: Response<Incoming>, answered: &mut Answered) {
    let (head, mut body) = response.into_parts();
    answered.status = Some(head.status);
    let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    answered.retry_after = retry_after.map(str::to_owned);
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                let Some(data) = frame.data_ref() else { continue };
                let room = KEPT - answered.body.len();
                answered.body.extend_from_slice(&data[..data.len().min(room)]);
                read += data.len();
                if read >= READ {
                    return;
                }
            }
            Err(error) => {
                answered.broken = Some(format!("the answer broke off: {}", chain(&error)));
                return;
            }
        }
    }
}

/// What went wrong with a request, in words.
pub(crate) fn words(error: &legacy::Error) -> String {
    match (connect_error(error), error.source()) {
        (Some(error), _) => error.to_string(),
        // What can fail besides on the way to a connection is encryption.
        (None, Some(cause)) if error.is_connect() => format!("no TLS: {}", chain(cause)),
        (None, Some(cause)) => chain(cause),
        (None, None) => error.to_string(),
    }
}

fn connect_error(error: &legacy::Error) -> Option<&ConnectError> {
    error.source()?.downcast_ref()
}

/// An error and its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.ends_with(&more) {
            words.push_str(": ");
            words.push_str(&more);
        }
        cause = error.source();
    }
    words
}

/// Connects within a time, encryption included. The client finishes a connection that a request
/// began and did not wait for, and that has to end too.
#[derive(Clone)]
pub(crate) struct Limited<S> {
    inner: S,
    within: Duration,
}

impl<S> Service<Uri> for Limited<S>
where
    S: Service<Uri, Error = Box<dyn Error + Send + Sync>>,
    S::Future: Send + 'static,
    S::Response: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = super::connect::Answer<S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let (connecting, within) = (self.inner.call(to), self.within);
        Box::pin(async move {
            match timeout(within, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(ConnectError::Late.into()),
            }
        })
    }
}
