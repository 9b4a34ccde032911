//! A server without its front door: the API's router on the memory store, which a test can make
//! fail, and with targets that take or refuse everything.
#![allow(dead_code, unused_imports, unreachable_pub, missing_debug_implementations)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod moody;

pub use moody::{Mood, Moody};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use roundsman_delivery::{Batch, Node, Target, To};
use roundsman_server::auth::Access;
use roundsman_server::channel::Hub;
use roundsman_server::config::{Config, StoreUrl};
use roundsman_server::webhook::Webhooks;
use roundsman_server::{App, http};
use roundsman_store::{Inspect, MemoryStore, SystemClock};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use tower::ServiceExt;

/// The target that [`To::Channel`] names here: takes everything.
struct Takes;

impl Target for Takes {
    fn deliver(&self, batch: Batch) {
        batch.acknowledger.delivered();
    }
}

/// Target 0: takes nothing.
struct Refuses;

impl Target for Refuses {
    fn deliver(&self, batch: Batch) {
        batch.acknowledger.failed("it said no");
    }
}

pub struct House {
    pub store: Arc<Moody>,
    pub node: Node,
    pub router: Router,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answered {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The problem document, with its fixed parts looked at.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!(problem["type"], "about:blank");
        assert_eq!(problem["status"], status);
        let title = StatusCode::from_u16(status).unwrap().canonical_reason();
        assert_eq!(problem["title"].as_str(), title);
        assert!(problem["detail"].is_string());
        problem
    }
}

impl House {
    pub fn new() -> Self {
        Self::with(Config { store: StoreUrl::Memory, ..Config::default() })
    }

    pub fn with(config: Config) -> Self {
        let store = Arc::new(Moody::new(MemoryStore::new(Arc::new(SystemClock))));
        let node = Node::builder(store.clone())
            .settings(config.settings())
            .target(To::Channel, Arc::new(Takes))
            .target(To::Target(0), Arc::new(Refuses))
            .start()
            .unwrap();
        let app = App {
            node: node.clone(),
            hub: Arc::new(Hub::default()),
            webhooks: Webhooks::default(),
            access: Arc::new(Access::new(&config)),
            intakes: Arc::default(),
            config: Arc::new(config),
        };
        Self { store, node, router: http::router(&app) }
    }

    /// Sends a request from this machine.
    pub async fn send(&self, request: Request<Body>) -> Answered {
        let mut request = request;
        request.headers_mut().entry("host").or_insert("localhost:4000".parse().unwrap());
        request.extensions_mut().insert(SocketAddr::from(([127, 0, 0, 1], 5000)));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answered { status: head.status.as_u16(), headers: head.headers, text }
    }

    pub async fn get(&self, path: &str) -> Answered {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, content_type: &str, body: impl Into<Body>) -> Answered {
        let request = Request::post("/v1/messages").header("content-type", content_type);
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Posts JSON.
    pub async fn post_json(&self, body: impl Into<Body>) -> Answered {
        self.post("application/json", body).await
    }

    /// Messages accepted and not settled.
    pub async fn backlog(&self) -> u64 {
        self.store.counts().await.unwrap().backlog
    }

    /// Waits until a message is in this state, and answers it as it is shown.
    pub async fn until(&self, id: &str, state: &str) -> Value {
        loop {
            let found = self.get(&format!("/v1/messages/{id}")).await.json();
            if found["state"] == state {
                return found;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Serves on a real socket, until the test ends.
    pub async fn listen(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = self.router.clone().into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        address
    }
}
