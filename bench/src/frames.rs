//! The little of WebSocket that a load generator needs: server frames out of big reads, and
//! masked client frames. Pure; a library would cost more than the server it measures.

/// One frame from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// Its kind.
    pub(crate) opcode: u8,
    /// What it carries.
    pub(crate) payload: &'a [u8],
}

/// A text message.
pub(crate) const TEXT: u8 = 1;
/// The server wants a [`PONG`].
pub(crate) const PING: u8 = 9;
/// The answer to a ping.
pub(crate) const PONG: u8 = 10;

/// The first frame in `bytes` and its whole length; `None` until all of it is there.
pub(crate) fn first(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let (head, length) = match *bytes {
        [_, short @ 0..=125, ..] => (2, usize::from(short)),
        [_, 126, a, b, ..] => (4, usize::from(u16::from_be_bytes([a, b]))),
        [_, 127, a, b, c, d, e, f, g, h, ..] => {
            (10, usize::try_from(u64::from_be_bytes([a, b, c, d, e, f, g, h])).ok()?)
        }
        _ => return None,
    };
    let payload = bytes.get(head..head + length)?;
    Some((Frame { opcode: bytes[0] & 0x0F, payload }, head + length))
}

/// A client's frame. The mask is nought, which is one of the masks there are.
pub(crate) fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match u16::try_from(payload.len()) {
        Ok(short @ 0..=125) => frame.push(0x80 | short.to_le_bytes()[0]),
        Ok(length) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_each_length() {
        for length in [0usize, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            let mut bytes = masked(TEXT, &payload);
            // The same as a server would send it: no mask bit, no mask.
            bytes[1] &= 0x7F;
            let mask = bytes.len() - length - 4;
            bytes.drain(mask..mask + 4);
            assert_eq!(first(&bytes[..bytes.len() - 1]), None);
            bytes.push(0x89);
            let (frame, used) = first(&bytes).unwrap();
            assert_eq!((frame.opcode, frame.payload.len(), used), (TEXT, length, bytes.len() - 1));
        }
    }
}
