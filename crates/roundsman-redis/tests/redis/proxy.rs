//! A proxy between store and server that can be cut, can keep the server's answers to itself, and
//! can have an old server say that it is a newer one.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A way to the server at an address.
#[derive(Clone)]
pub(crate) struct Proxy {
    port: u16,
    swallows: Arc<AtomicBool>,
    renews: bool,
    cut: watch::Sender<u32>,
}

impl Proxy {
    pub(crate) async fn before(server: SocketAddrV4) -> Self {
        Self::new(server, false).await
    }

    /// One through which a server of version 7.0 says that it is 7.4.
    pub(crate) async fn renewing(server: SocketAddrV4) -> Self {
        Self::new(server, true).await
    }

    async fn new(server: SocketAddrV4, renews: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Self { port, swallows: Arc::default(), renews, cut: watch::channel(0).0 };
        let same = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(same.clone().carry(client, server));
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// From now on the server is asked, and its answers are lost with the line.
    pub(crate) fn swallow_answers(&self, swallows: bool) {
        self.swallows.store(swallows, Ordering::SeqCst);
    }

    /// Cuts every line that there is.
    pub(crate) fn cut(&self) {
        self.cut.send_modify(|count| *count += 1);
    }

    async fn carry(self, client: TcpStream, server: SocketAddrV4) {
        let Ok(server) = TcpStream::connect(server).await else { return };
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let mut cut = self.cut.subscribe();
        let asking = async move { tokio::io::copy(&mut from_client, &mut to_server).await.is_ok() };
        let answering = async move {
            let mut bytes = vec![0; 65_536];
            while let Ok(count @ 1..) = from_server.read(&mut bytes).await {
                if self.renews {
                    renew(&mut bytes[..count]);
                }
                if self.swallows.load(Ordering::SeqCst)
                    || to_client.write_all(&bytes[..count]).await.is_err()
                {
                    return;
                }
            }
        };
        tokio::select! {
            _ = asking => {}
            () = answering => {}
            _ = cut.changed() => {}
        }
    }
}

/// The version is near the beginning of what a server says of itself.
fn renew(answer: &mut [u8]) {
    const OLD: &[u8] = b"redis_version:7.0";
    if let Some(at) = answer.windows(OLD.len()).position(|part| part == OLD) {
        answer[at + OLD.len() - 1] = b'4';
    }
}
