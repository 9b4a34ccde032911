//! The way to a running server's API, and the words for what can go wrong on it.

use super::failure::Failure;
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use serde::Deserialize;
use std::time::Duration;

/// A server, as the command line names it.
#[derive(Debug)]
pub(super) struct Server {
    client: Client,
    base: Url,
    key: Option<String>,
}

/// A problem document.
#[derive(Debug, Deserialize)]
pub(super) struct Problem {
    #[serde(default)]
    pub(super) detail: String,
    #[serde(default)]
    pub(super) errors: Vec<Fault>,
}

/// One fault of a body or a query.
#[derive(Debug, Deserialize)]
pub(super) struct Fault {
    #[serde(default)]
    pub(super) index: usize,
    #[serde(default)]
    pub(super) pointer: String,
    #[serde(default)]
    pub(super) detail: String,
}

impl Server {
    /// The server at `url`, with one of its keys.
    pub(super) fn new(url: &str, key: Option<String>) -> Result<Self, Failure> {
        let cure =
            || format!("--url or ROUNDSMAN_URL: {url:?} is no URL like http://127.0.0.1:4000");
        let base: Url = url.parse().map_err(|_| Failure::Usage(cure()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(Failure::Usage(cure()));
        }
        let client = Client::builder()
            .connect_timeout(CONNECTING)
            .build()
            .map_err(|error| Failure::failed(error.to_string()))?;
        Ok(Self { client, base, key })
    }

    /// A request for a path and what is to be in its query.
    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
    ) -> RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.client.request(method, url);
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }
}

/// Sends a request, and gives back the answer's text if it is a good one.
pub(super) async fn answer(request: RequestBuilder) -> Result<String, Failure> {
    let response = request.send().await.map_err(|error| lost(&error))?;
    if !response.status().is_success() {
        return Err(refusal(&problem(response).await));
    }
    response.text().await.map_err(|error| lost(&error))
}

/// The problem document of an answer, or its status where it has none.
pub(super) async fn problem(response: Response) -> Problem {
    let status = response.status();
    let text = response.text().await.unwrap_or_default();
    serde_json::from_str(&text)
        .unwrap_or_else(|_| Problem { detail: status.to_string(), errors: Vec::new() })
}

/// A problem as the one message that a command ends with.
pub(super) fn refusal(problem: &Problem) -> Failure {
    let faults: String = problem
        .errors
        .iter()
        .map(|fault| format!("\n  {} {}", fault.pointer, fault.detail))
        .collect();
    Failure::Failed(format!("{}{faults}", problem.detail))
}

/// What it means that no answer came.
pub(super) fn lost(error: &reqwest::Error) -> Failure {
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
    Failure::Failed(format!("no answer came, so it is unknown whether it was done: {error}"))
}

const CONNECTING: Duration = Duration::from_secs(10);
