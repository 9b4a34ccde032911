//! One body to the server's API: sent again while the server says *not now*.

use super::failure::Failure;
use super::remote::{Problem, Server, lost, problem};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;
use std::time::Duration;
use tokio::time::sleep;

/// The way to a server's messages.
#[derive(Debug)]
pub(super) struct Api(Server);

/// What the server answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// Accepted.
    Taken(Vec<Taken>),
    /// Refused, whole.
    Refused(Problem),
}

/// One message that was accepted.
#[derive(Debug, Deserialize)]
pub(super) struct Taken {
    pub(super) id: String,
    pub(super) duplicate: bool,
}

#[derive(Debug, Deserialize)]
struct Accepted {
    messages: Vec<Taken>,
}

impl Api {
    /// The API of the server at `url`.
    pub(super) fn new(url: &str, key: Option<String>) -> Result<Self, Failure> {
        Server::new(url, key).map(Self)
    }

    /// Posts one body. While the server is draining, away or full it is sent again, when the
    /// server says; a message with an id is not stored twice by that.
    ///
    /// # Errors
    /// The server cannot be reached or gives no answer, or says *not now* too often.
    pub(super) async fn post(
        &self,
        form: &'static str,
        body: String,
        waits: impl Fn(Duration, &str),
    ) -> Result<Answer, Failure> {
        for _ in 0..TRIES {
            let request = self.0.request(Method::POST, "/v1/messages", &[]).timeout(PATIENCE);
            let request = request.header(CONTENT_TYPE, form).body(body.clone());
            let response = request.send().await.map_err(|error| lost(&error))?;
            let status = response.status();
            if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
                return answer(response).await;
            }
            let wait = wait(&response);
            let problem = problem(response).await;
            waits(wait, &format!("{status}: {}", problem.detail));
            sleep(wait).await;
        }
        Err(Failure::failed("the server said `not now` too often; try again later"))
    }
}

async fn answer(response: Response) -> Result<Answer, Failure> {
    if response.status() == StatusCode::ACCEPTED {
        let accepted: Accepted = response.json().await.map_err(|error| lost(&error))?;
        return Ok(Answer::Taken(accepted.messages));
    }
    Ok(Answer::Refused(problem(response).await))
}

fn wait(response: &Response) -> Duration {
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let seconds = seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(1);
    Duration::from_secs(seconds).clamp(Duration::from_millis(100), LONGEST_WAIT)
}

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(60);
const TRIES: usize = 20;
const LONGEST_WAIT: Duration = Duration::from_secs(60);
