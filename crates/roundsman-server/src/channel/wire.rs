//! The WebSocket itself: frames read by tungstenite, frames written by vectored writes.
//!
//! What goes out is encoded before it comes here, once for all who get it, and leaves without
//! being copied: everything that waits for one socket goes to the kernel in one write. What
//! tungstenite wants to send of its own accord, pongs and the answer to a close, lines up behind.

use super::close::Close;
use bytes::{Buf, Bytes};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message};

/// One WebSocket, after its handshake.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TokioIo<Upgraded>,
    context: WebSocketContext,
    waiting: VecDeque<Bytes>,
    taken: u64,
}

impl Wire {
    /// Takes messages of at most `largest` bytes.
    pub(super) fn new(stream: Upgraded, largest: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(largest))
            .max_frame_size(Some(largest));
        Self {
            stream: TokioIo::new(stream),
            context: WebSocketContext::new(Role::Server, Some(config)),
            waiting: VecDeque::new(),
            taken: 0,
        }
    }

    /// The next message. Pongs and the answer to a close are lined up on the way.
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        let mut ends = Ends { stream: &mut self.stream, context, out: Vec::new() };
        let read = self.context.read(&mut ends);
        let own = std::mem::take(&mut ends.out);
        self.put(own.into());
        match read {
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
            other => Poll::Ready(other),
        }
    }

    /// Lines up whole WebSocket frames.
    pub(super) fn put(&mut self, frames: Bytes) {
        if !frames.is_empty() {
            self.waiting.push_back(frames);
        }
    }

    /// Lines up a close, if there is a way to say it.
    pub(super) fn put_close(&mut self, close: Close) {
        let Some(frame) = close.frame() else { return };
        let mut out = Vec::new();
        // Writing into memory cannot fail.
        let _ = Frame::close(Some(frame)).format(&mut out);
        self.put(out.into());
    }

    /// Ready once the kernel has all that was lined up.
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.waiting.len().min(SLICES);
            for (slice, part) in slices.iter_mut().zip(&self.waiting) {
                *slice = IoSlice::new(part);
            }
            let stream = Pin::new(&mut self.stream);
            let written = ready!(stream.poll_write_vectored(context, &slices[..count]))?;
            if written == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.taken += written as u64;
            self.advance(written);
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// How many bytes the kernel took so far.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Says that nothing more comes.
    pub(super) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    /// Reads whatever comes and forgets it. Ready when the other side has closed too.
    pub(super) fn poll_discard(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut bin = [0; 512];
        loop {
            let mut buffer = ReadBuf::new(&mut bin);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(part) = self.waiting.front_mut() {
            if part.len() > written {
                part.advance(written);
                return;
            }
            written -= part.len();
            self.waiting.pop_front();
        }
        // An idle socket keeps no memory for its next burst.
        self.waiting = VecDeque::new();
    }
}

/// One text frame around `text`, at the end of `out`.
pub(super) fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put_frame(out, Data::Text, text);
}

/// `text` as one WebSocket frame.
pub(super) fn text(text: &str) -> Bytes {
    let mut out = Vec::with_capacity(text.len() + LARGEST_HEADER);
    put_frame(&mut out, Data::Text, text.as_bytes());
    out.into()
}

/// `data` as one WebSocket frame.
pub(super) fn binary(data: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(data.len() + LARGEST_HEADER);
    put_frame(&mut out, Data::Binary, data);
    out.into()
}

fn put_frame(out: &mut Vec<u8>, kind: Data, payload: &[u8]) {
    let header = FrameHeader { opcode: OpCode::Data(kind), ..FrameHeader::default() };
    // Writing into memory cannot fail.
    let _ = header.format(payload.len() as u64, out);
    out.extend_from_slice(payload);
}

/// The stream as tungstenite wants it: not blocking, and taking all that it writes.
struct Ends<'a, 'c> {
    stream: &'a mut TokioIo<Upgraded>,
    context: &'a mut Context<'c>,
    out: Vec<u8>,
}

impl Read for Ends<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(into);
        match Pin::new(&mut *self.stream).poll_read(self.context, &mut buffer) {
            Poll::Ready(Ok(())) => Ok(buffer.filled().len()),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Ends<'_, '_> {
    fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        self.out.extend_from_slice(frames);
        Ok(frames.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Held by every open socket for its whole life; larger frames grow it.
const READ_BUFFER: usize = 1024;

/// Parts handed to the kernel at once.
const SLICES: usize = 32;

/// Of a frame that is not masked.
const LARGEST_HEADER: usize = 10;
