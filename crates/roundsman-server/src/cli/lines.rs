//! Lines of a file in bodies of a size that the server takes, each with its number. Pure.

use std::io::{self, BufRead, Read};

/// Lines of one body, at most.
const LINES: usize = 1000;

/// Bytes of one body, at most, but for one line that is longer by itself.
const BYTES: usize = 4 << 20;

/// Bytes of one line, at most; no message is nearly as long.
const LINE: u64 = 1 << 20;

/// One line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Counted from 1.
    pub(super) number: u64,
    /// Without its end.
    pub(super) text: String,
}

/// Reads lines into bodies; blank ones are skipped, and counted.
#[derive(Debug)]
pub(super) struct Bodies<R> {
    reader: R,
    number: u64,
    next: Option<Line>,
    read: u64,
}

impl<R: BufRead> Bodies<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, number: 0, next: None, read: 0 }
    }

    /// Bytes read so far.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// The next body; empty at the end of the file.
    ///
    /// # Errors
    /// The file cannot be read, or a line is no text or far too long; with the line's number.
    pub(super) fn next(&mut self) -> io::Result<Vec<Line>> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while lines.len() < LINES {
            let line = match self.next.take() {
                Some(line) => line,
                None => match self.line()? {
                    Some(line) => line,
                    None => break,
                },
            };
            bytes += line.text.len() + 1;
            if bytes > BYTES && !lines.is_empty() {
                self.next = Some(line);
                break;
            }
            lines.push(line);
        }
        Ok(lines)
    }

    fn line(&mut self) -> io::Result<Option<Line>> {
        loop {
            let mut bytes = Vec::new();
            self.number += 1;
            let length = self.reader.by_ref().take(LINE).read_until(b'\n', &mut bytes)? as u64;
            self.read += length;
            if length == 0 {
                return Ok(None);
            }
            let at_fault =
                |why| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", self.number));
            if length == LINE && !bytes.ends_with(b"\n") {
                return Err(at_fault("the line is longer than any message may be"));
            }
            let text = String::from_utf8(bytes).map_err(|_| at_fault("the line is not UTF-8"))?;
            let text = text.trim();
            if !text.is_empty() {
                return Ok(Some(Line { number: self.number, text: text.to_owned() }));
            }
        }
    }
}

/// The lines as one body.
pub(super) fn body(lines: &[Line]) -> String {
    lines.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(lines: &[Line]) -> Vec<u64> {
        lines.iter().map(|line| line.number).collect()
    }

    #[test]
    fn lines_keep_their_numbers() {
        let mut bodies = Bodies::new("a\n\n  \nb\r\nc".as_bytes());
        let lines = bodies.next().unwrap();
        assert_eq!((numbers(&lines), body(&lines)), (vec![1, 4, 5], "a\nb\nc\n".to_owned()));
        assert!(bodies.next().unwrap().is_empty());
        assert_eq!(bodies.read(), 10);
    }

    #[test]
    fn bodies_are_bounded_in_lines_and_in_bytes() {
        let many = "x\n".repeat(LINES + 1);
        let mut bodies = Bodies::new(many.as_bytes());
        assert_eq!([LINES, 1, 0], [(); 3].map(|()| bodies.next().unwrap().len()));

        let long = format!("{}\n", "y".repeat(900 << 10)).repeat(5);
        let mut bodies = Bodies::new(long.as_bytes());
        assert_eq!(numbers(&bodies.next().unwrap()), [1, 2, 3, 4]);
        assert_eq!(numbers(&bodies.next().unwrap()), [5]);
    }

    #[test]
    fn what_is_no_line_is_named() {
        let endless = format!("a\n{}", "z".repeat(2 << 20));
        let error = Bodies::new(endless.as_bytes()).next().unwrap_err();
        assert_eq!(error.to_string(), "2: the line is longer than any message may be");
        let error = Bodies::new(&b"a\n\xff\n"[..]).next().unwrap_err();
        assert_eq!(error.to_string(), "2: the line is not UTF-8");
    }
}
