//! The accept loop: connections in, each served on its own task, none beyond the limit.

use crate::config::Limits;
use crate::log::masked;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::Service;

/// What TLS handshakes go by just now; `None` for plain HTTP.
pub(crate) type TlsState = watch::Receiver<Option<Arc<ServerConfig>>>;

/// A bound socket and what answers on it.
pub(crate) struct Listener {
    pub(crate) tcp: TcpListener,
    pub(crate) tls: TlsState,
    pub(crate) router: Router,
    pub(crate) limits: Limits,
}

impl Listener {
    /// Accepts until `stop` says so; then lets what is being answered finish, and closes the rest.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let refusals = Arc::new(Semaphore::new(REFUSALS));
        loop {
            let accepted = tokio::select! {
                accepted = self.tcp.accept() => accepted,
                () = stopped(&mut stop) => break,
            };
            match accepted {
                Ok((stream, peer)) => match places.clone().try_acquire_owned() {
                    Ok(place) => self.serve(stream, peer, place, stop.clone()),
                    Err(_) => self.refuse(stream, &refusals),
                },
                Err(error) => rest_after(&error).await,
            }
        }
        drop(self.tcp);
        // Once every place is free again, every connection has ended.
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        let _ = places.acquire_many(all).await;
    }

    fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        place: OwnedSemaphorePermit,
        stop: watch::Receiver<bool>,
    ) {
        // Small frames must not wait for the client's acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        let (router, patience) = (self.router.clone(), self.limits.header_time);
        let tls = self.tls.borrow().clone();
        tokio::spawn(async move {
            match tls {
                None => answer(stream, peer, router, patience, stop).await,
                Some(config) => {
                    let handshake = TlsAcceptor::from(config).accept(stream);
                    match timeout(patience, handshake).await {
                        Ok(Ok(stream)) => answer(stream, peer, router, patience, stop).await,
                        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS handshake"),
                        Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
                    }
                }
            }
            drop(place);
        });
    }

    /// A fast 503 for a connection that is one too many; not even that where many are, or in TLS.
    fn refuse(&self, stream: TcpStream, refusals: &Arc<Semaphore>) {
        let Ok(place) = refusals.clone().try_acquire_owned() else { return };
        if self.tls.borrow().is_some() {
            return;
        }
        tokio::spawn(async move {
            let _ = timeout(Duration::from_secs(1), turn_away(stream)).await;
            drop(place);
        });
    }
}

/// Serves one connection until its client is gone, or it has become a socket, or `stop` says so
/// and what is being answered is done.
async fn answer<S>(
    stream: S,
    peer: SocketAddr,
    router: Router,
    patience: Duration,
    mut stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        tracing::trace!(%peer, method = %request.method(), path = %shown(&request), "request");
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

/// Done once it is to stop, or its server is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn shown(request: &hyper::Request<Incoming>) -> String {
    request.uri().path_and_query().map(|path| masked(path.as_str())).unwrap_or_default()
}

/// Says 503 and waits for the client to hang up: closed at once, with its request still unread,
/// the connection would be reset and the answer lost.
async fn turn_away(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(BUSY).await?;
    stream.shutdown().await?;
    let mut unread = [0; 1024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

/// After an error of `accept`: most are the client's, who went away; out of files takes a rest.
async fn rest_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset) {
        tracing::warn!(%error, "no connection could be accepted");
        sleep(Duration::from_millis(100)).await;
    }
}

/// Connections that are being told that they are too many, at a time.
const REFUSALS: usize = 256;

const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";
