//! The handshake: who is refused before there is a socket, and the start of its session.
//!
//! Refusals happen here or not at all. A client whose socket is opened and then closed comes back
//! at once, its retry counter reset by the open; one that is refused with a status backs off.

use super::handler::Channel;
use super::hub::Hub;
use super::session::Session;
use super::talk::Talk;
use super::token;
use super::wire::Wire;
use crate::auth::{Access, Client, Denied};
use crate::http::Problem;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::header::{
    CONNECTION, HeaderMap, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// What every socket of one server shares.
#[derive(Clone)]
pub(super) struct Sockets {
    pub(super) hub: Arc<Hub>,
    pub(super) access: Arc<Access>,
    pub(super) channel: Arc<dyn Channel>,
}

/// `GET /socket/websocket`.
pub(super) async fn websocket(State(sockets): State<Sockets>, mut request: Request) -> Response {
    let client = match check(&sockets, &request) {
        Ok(client) => client,
        Err(refusal) => return refusal.into_response(),
    };
    let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) else {
        return Refusal::NoUpgrade.into_response();
    };
    let accept = derive_accept_key(key.as_bytes());
    let spoken = request.headers().contains_key(SEC_WEBSOCKET_PROTOCOL);
    let Some(seat) = sockets.hub.admit() else { return Refusal::Busy.into_response() };
    let largest = seat.limits().message;
    let expires = expires(&client);
    let talk = Talk::new(seat, sockets.channel, client);
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(serve(upgrade, talk, largest, expires));
    let head = [
        (CONNECTION, "upgrade".to_owned()),
        (UPGRADE, "websocket".to_owned()),
        (SEC_WEBSOCKET_ACCEPT, accept),
    ];
    let protocol = spoken.then_some([(SEC_WEBSOCKET_PROTOCOL, token::PROTOCOL)]);
    match protocol {
        Some(protocol) => (StatusCode::SWITCHING_PROTOCOLS, head, protocol).into_response(),
        None => (StatusCode::SWITCHING_PROTOCOLS, head).into_response(),
    }
}

/// Waits for the connection to be handed over, then is the socket's one task.
///
/// Nothing large lives across the waits: an idle socket costs what [`Session`] and its wire hold.
async fn serve(upgrade: OnUpgrade, talk: Talk, largest: usize, expires: Option<Instant>) {
    match upgrade.await {
        Ok(stream) => Session::new(Wire::new(stream, largest), talk, expires).run().await,
        Err(error) => tracing::debug!(%error, "upgrade failed"),
    }
}

/// Why there is no socket.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    /// Not a WebSocket handshake at all.
    NoUpgrade,
    /// Draining, or as many sockets as there may be.
    Busy,
    /// A version of the protocol, or a subprotocol, that is not spoken here.
    Unspoken,
    /// For who it is.
    Denied(Denied),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let problem = match self {
            Self::NoUpgrade => Problem::new(
                StatusCode::BAD_REQUEST,
                "this is an endpoint for WebSocket: `connection` must contain `upgrade`",
            ),
            Self::Busy => {
                let detail = "no more sockets are taken now";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(5)
            }
            Self::Unspoken => Problem::new(
                StatusCode::FORBIDDEN,
                "Phoenix Channels V2 is spoken here: write ?vsn=2.0.0, and no subprotocol but \
                 phoenix",
            ),
            Self::Denied(denied) => denied.into(),
        };
        problem.into_response()
    }
}

fn check(sockets: &Sockets, request: &Request) -> Result<Client, Refusal> {
    let headers = request.headers();
    let peer = peer(request);
    sockets.access.admit(headers, peer).map_err(Refusal::Denied)?;
    if !sockets.hub.is_admitting() {
        return Err(Refusal::Busy);
    }
    if !is_handshake(request.method(), headers) {
        return Err(Refusal::NoUpgrade);
    }
    let query = Query::<Vec<(String, String)>>::try_from_uri(request.uri());
    let query = query.map(|Query(pairs)| pairs).unwrap_or_default();
    // Without `vsn` a client means version 1.0.0, which is not spoken here.
    let version = token::last(&query, "vsn");
    if !version.is_some_and(is_spoken) || !token::speaks_phoenix(headers) {
        return Err(Refusal::Unspoken);
    }
    sockets.access.origin(headers, peer).map_err(Refusal::Denied)?;
    let token = token::find(headers, &query);
    sockets.access.client(token.as_deref()).map_err(Refusal::Denied)
}

/// Where the request came from. Unknown is taken for a stranger, never for loopback.
fn peer(request: &Request) -> IpAddr {
    let info = request.extensions().get::<ConnectInfo<SocketAddr>>();
    info.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip())
}

fn is_handshake(method: &Method, headers: &HeaderMap) -> bool {
    let names = |header, wanted: &str| {
        let values = headers.get_all(header).into_iter().filter_map(|value| value.to_str().ok());
        values
            .flat_map(|value| value.split(','))
            .any(|name| name.trim().eq_ignore_ascii_case(wanted))
    };
    method == Method::GET
        && names(CONNECTION, "upgrade")
        && names(UPGRADE, "websocket")
        && names(SEC_WEBSOCKET_VERSION, "13")
        && headers.contains_key(SEC_WEBSOCKET_KEY)
}

/// `~> 2.0.0`: 2.0 with any patch.
fn is_spoken(version: &str) -> bool {
    let Some(patch) = version.strip_prefix("2.0.") else { return false };
    let digits = !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit());
    digits && (patch == "0" || !patch.starts_with('0'))
}

/// When the token runs out, on the clock that sleeps; `None` where that is beyond all clocks.
fn expires(client: &Client) -> Option<Instant> {
    let left = client.expires_at?.duration_since(SystemTime::now()).unwrap_or_default();
    Instant::now().checked_add(left)
}

#[cfg(test)]
mod tests {
    use super::is_spoken;

    #[test]
    fn only_version_two_point_zero_is_spoken() {
        for spoken in ["2.0.0", "2.0.9", "2.0.10"] {
            assert!(is_spoken(spoken), "{spoken}");
        }
        for other in ["", "1.0.0", "2.0", "2.0.", "2.1.0", "3.0.0", "abc", "2.0.0-rc", "2.0.01"] {
            assert!(!is_spoken(other), "{other}");
        }
    }
}
