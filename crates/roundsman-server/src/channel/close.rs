//! Why a socket is closed, and the code that says so.
//!
//! Never 1000: older clients take it for good and do not come back. Every other code brings them
//! back by their own schedule.

use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Why the server closes a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// 1012: the server is draining.
    Drain,
    /// 1013: more waits for this client than is kept for one.
    Overloaded,
    /// 1008: the token has run out.
    TokenRanOut,
    /// 1009: a frame or a message is larger than is taken.
    TooLarge,
    /// 1011: a text or a binary that is no frame of Phoenix Channels V2.
    NoFrame,
    /// 1007: a text that is not UTF-8.
    NotText,
    /// 1002: a breach of the WebSocket protocol itself.
    Protocol,
    /// 1002, as Phoenix does: nothing was heard for longer than [`Limits::idle`](super::Limits).
    Idle,
    /// The client reads nothing. There is no way to tell it; its connection is cut.
    Slow,
}

impl Close {
    /// The number on the wire; `None` where the connection is cut without a word.
    #[must_use]
    pub fn code(self) -> Option<u16> {
        match self {
            Self::Drain => Some(1012),
            Self::Overloaded => Some(1013),
            Self::TokenRanOut => Some(1008),
            Self::TooLarge => Some(1009),
            Self::NoFrame => Some(1011),
            Self::NotText => Some(1007),
            Self::Protocol | Self::Idle => Some(1002),
            Self::Slow => None,
        }
    }

    /// The words that go with it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Drain => "the server restarts, come back",
            Self::Overloaded => "too much waits for this client",
            Self::TokenRanOut => "the token has run out",
            Self::TooLarge => "the frame is too large",
            Self::NoFrame => "not a frame of Phoenix Channels V2",
            Self::NotText => "the text is not UTF-8",
            Self::Protocol => "a breach of the WebSocket protocol",
            Self::Idle => "nothing heard, not even a heartbeat",
            Self::Slow => "reads nothing",
        }
    }

    pub(super) fn frame(self) -> Option<CloseFrame> {
        let code = CloseCode::from(self.code()?);
        Some(CloseFrame { code, reason: self.words().into() })
    }
}
