//! Connecting: the name is resolved, the addresses judged, and one of those dialled, in one go.
//!
//! Between the judgement and the connection nothing is asked again, so a name that changes its
//! answer gains nothing by it. There is no proxy in between that could be told another address.

use super::address::refusal;
use hyper::Uri;
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::Service;

/// A future that owns everything it needs.
pub type Answer<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Finds the addresses of a name.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of `name`, the best first.
    fn resolve(&self, name: String) -> Answer<Vec<IpAddr>, io::Error>;
}

/// The resolver of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: String) -> Answer<Vec<IpAddr>, io::Error> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Connects to the hosts of one rule.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) allow_private: bool,
    /// Where this server itself listens; nothing is ever sent there.
    pub(crate) own: SocketAddr,
    /// How long a connection may take to come about.
    pub(crate) within: Duration,
}

/// Why no connection came about.
#[derive(Debug)]
pub(crate) enum ConnectError {
    /// The URL has no host or no port that can be dialled.
    Url,
    /// The name could not be resolved.
    Resolve(io::Error),
    /// Every address is refused; the last one, and what it is.
    Refused(IpAddr, &'static str),
    /// It would be a connection to this server itself.
    Own,
    /// Nobody answered in time.
    Late,
    /// The last address that was dialled did not take the connection.
    Dial(io::Error),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str("the URL names nothing that can be dialled"),
            Self::Resolve(error) => write!(f, "the name is not resolved: {error}"),
            Self::Refused(address, what) => {
                write!(f, "{address} is {what}, which the rule does not allow")
            }
            Self::Own => f.write_str("this is the address of this server itself"),
            Self::Late => f.write_str("no connection in time"),
            Self::Dial(error) => write!(f, "no connection: {error}"),
        }
    }
}

impl Error for ConnectError {}

impl Connector {
    async fn connect(self, to: Uri) -> Result<TokioIo<TcpStream>, ConnectError> {
        let host = to.host().ok_or(ConnectError::Url)?;
        let secure = to.scheme_str() == Some("https");
        let port = to.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let addresses = self.addresses(host).await?;
        let mut failed = ConnectError::Url;
        // An address that nobody answers at leaves the others their share of the time.
        let share = self.within / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        for address in addresses {
            failed = match timeout(share, self.dial(SocketAddr::new(address, port))).await {
                Ok(Ok(stream)) => return Ok(TokioIo::new(stream)),
                Ok(Err(error)) => error,
                Err(_) => ConnectError::Late,
            };
        }
        Err(failed)
    }

    /// The addresses of a host that may be dialled; at least one.
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ConnectError> {
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse();
        let mut addresses = match literal {
            Ok(address) => vec![address],
            Err(_) => {
                let found = self.resolver.resolve(host.to_owned());
                found.await.map_err(ConnectError::Resolve)?
            }
        };
        let mut refused = None;
        addresses.retain(|address| match refusal(*address, self.allow_private) {
            Some(what) => {
                refused = Some((*address, what));
                false
            }
            None => true,
        });
        match refused {
            Some((address, what)) if addresses.is_empty() => {
                Err(ConnectError::Refused(address, what))
            }
            None if addresses.is_empty() => {
                Err(ConnectError::Resolve(io::Error::other("it has no address")))
            }
            _ => Ok(addresses),
        }
    }

    async fn dial(&self, to: SocketAddr) -> Result<TcpStream, ConnectError> {
        if to == self.own {
            return Err(ConnectError::Own);
        }
        let stream = TcpStream::connect(to).await.map_err(ConnectError::Dial)?;
        // A server that listens on every address is reached by each of them, and whoever is
        // connected to the machine it is on has the same address at both ends.
        let (local, peer) = (stream.local_addr(), stream.peer_addr());
        let is_here = matches!((local, peer), (Ok(local), Ok(peer)) if local.ip() == peer.ip());
        if is_here && self.own.ip().is_unspecified() && to.port() == self.own.port() {
            return Err(ConnectError::Own);
        }
        stream.set_nodelay(true).map_err(ConnectError::Dial)?;
        Ok(stream)
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = Answer<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        Box::pin(self.clone().connect(to))
    }
}
