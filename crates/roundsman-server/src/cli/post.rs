//! One body to the server's API: sent again while the server says *not now*.

use super::failure::Failure;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use std::time::Duration;
use tokio::time::sleep;

/// The way to a server's API.
#[derive(Debug)]
pub(super) struct Api {
    client: Client,
    messages: Url,
    key: Option<String>,
}

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

/// A problem document.
#[derive(Debug, Deserialize)]
pub(super) struct Problem {
    #[serde(default)]
    pub(super) detail: String,
    #[serde(default)]
    pub(super) errors: Vec<Fault>,
}

/// One fault of a body.
#[derive(Debug, Deserialize)]
pub(super) struct Fault {
    pub(super) index: usize,
    #[serde(default)]
    pub(super) pointer: String,
    #[serde(default)]
    pub(super) detail: String,
}

impl Api {
    /// The API of the server at `url`.
    pub(super) fn new(url: &str, key: Option<String>) -> Result<Self, Failure> {
        let cure =
            || format!("--url or ROUNDSMAN_URL: {url:?} is no URL like http://127.0.0.1:4000");
        let base: Url = url.parse().map_err(|_| Failure::Usage(cure()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(Failure::Usage(cure()));
        }
        let messages = base.join("/v1/messages").map_err(|_| Failure::Usage(cure()))?;
        let client = Client::builder()
            .timeout(PATIENCE)
            .build()
            .map_err(|error| Failure::failed(error.to_string()))?;
        Ok(Self { client, messages, key })
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
            let mut request = self.client.post(self.messages.clone()).header(CONTENT_TYPE, form);
            if let Some(key) = &self.key {
                request = request.bearer_auth(key);
            }
            let response = request.body(body.clone()).send().await.map_err(|error| lost(&error))?;
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

/// The problem document of an answer, or its status where it has none.
async fn problem(response: Response) -> Problem {
    let status = response.status();
    let text = response.text().await.unwrap_or_default();
    serde_json::from_str(&text)
        .unwrap_or_else(|_| Problem { detail: status.to_string(), errors: Vec::new() })
}

fn wait(response: &Response) -> Duration {
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let seconds = seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(1);
    Duration::from_secs(seconds).clamp(Duration::from_millis(100), LONGEST_WAIT)
}

fn lost(error: &reqwest::Error) -> Failure {
    if error.is_connect() {
        return Failure::Failed(format!(
            "no server answers at {}; start one with `roundsman serve`, or name it with --url",
            error
                .url()
                .map(Url::origin)
                .map(|origin| origin.ascii_serialization())
                .unwrap_or_default()
        ));
    }
    Failure::Failed(format!(
        "no answer came, so it is unknown whether the messages were accepted: {error}"
    ))
}

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(60);
const TRIES: usize = 20;
const LONGEST_WAIT: Duration = Duration::from_secs(60);
