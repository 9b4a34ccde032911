//! The bare client: posts so many messages with so many requests at once; nothing else.
//!
//! The HTTP library that Roundsman posts with, set as it sets it, and the same headers and bytes.
//! What Roundsman costs beyond this is accepting, keeping, signing and settling.

use crate::payload;
use axum::body::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Posts and waits to be ended.
pub(crate) fn post(url: &str, messages: usize, concurrency: usize) -> Result<(), crate::Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(concurrency)
            .build(connector);
        let left = Arc::new(AtomicUsize::new(messages));
        let head = br#"{"type":"n","timestamp":"2026-12-01T09:00:00.123456Z","data":"#;
        let body: Bytes = [head.as_slice(), payload::blank(0).as_bytes(), b"}"].concat().into();
        for _ in 0..concurrency {
            let (client, left, body, url) =
                (client.clone(), left.clone(), body.clone(), url.to_owned());
            tokio::spawn(async move {
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                    .is_ok()
                {
                    let request = Request::post(&url)
                        .header(CONTENT_TYPE, "application/json")
                        .header("user-agent", "Roundsman/0.1.0")
                        .header("webhook-id", "m0000000-1s8t6vhc0zsw-1")
                        .header("webhook-timestamp", "1796119200")
                        .header(
                            "webhook-signature",
                            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
                        )
                        .body(Full::new(body.clone()));
                    let Ok(request) = request else { return };
                    let Ok(answer) = client.request(request).await else { return };
                    let _ = answer.into_body().collect().await;
                }
            });
        }
        tokio::time::sleep(Duration::from_secs(600)).await;
        Ok(())
    })
}
