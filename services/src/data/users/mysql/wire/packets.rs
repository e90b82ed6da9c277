//! Packets: a length of three bytes, a number, and what is in it.

use std::fmt;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::cursor::Cursor;
use super::error::Error;

/// What packets are sent over.
pub(in crate::data) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Length from which on a packet goes on in the next.
const LONGEST: usize = 0x00ff_ffff;
const HEADER: usize = 4;
/// What is kept of the buffer after a row that was longer.
const BUFFER: usize = 8 * 1024;

/// Sends and receives packets.
pub(super) struct Packets {
    stream: Box<dyn Stream>,
    /// What was received and not taken yet is at `start..end`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Number of the next packet of this exchange.
    next: u8,
    sent: Vec<u8>,
}

impl fmt::Debug for Packets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packets").field("next", &self.next).finish_non_exhaustive()
    }
}

impl Packets {
    pub(super) fn new(stream: Box<dyn Stream>, next: u8) -> Self {
        Self { stream, buffer: vec![0; BUFFER], start: 0, end: 0, next, sent: Vec::new() }
    }

    /// The number of the next packet.
    pub(super) const fn next(&self) -> u8 {
        self.next
    }

    /// The stream, of which nothing was read ahead: what comes before the TLS handshake must not count after it.
    pub(super) fn into_stream(self) -> Result<Box<dyn Stream>, Error> {
        if self.start == self.end { Ok(self.stream) } else { Err(Error::Protocol("the server talks before the TLS handshake")) }
    }

    /// Sends what `write` puts into an empty buffer, as the first packet of an exchange.
    pub(super) async fn begin(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        self.next = 0;
        self.send(write).await
    }

    /// Sends what `write` puts into an empty buffer.
    pub(super) async fn send(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        self.sent.clear();
        self.sent.extend_from_slice(&[0; HEADER]);
        write(&mut self.sent);
        let length = self.sent.len() - HEADER;
        if length >= LONGEST {
            return Err(Error::Protocol("a statement is longer than a packet may be"));
        }
        let [a, b, c, ..] = length.to_le_bytes();
        self.sent[..HEADER].copy_from_slice(&[a, b, c, self.next]);
        self.next = self.next.wrapping_add(1);
        self.stream.write_all(&self.sent).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// The next packet; one that tells an error is one.
    pub(super) async fn receive(&mut self) -> Result<&[u8], Error> {
        self.fill(HEADER).await?;
        let [a, b, c, number] = Cursor(&self.buffer[self.start..self.end]).array()?;
        let length = u32::from_le_bytes([a, b, c, 0]) as usize;
        if number != self.next {
            return Err(Error::Protocol("what answers is no MySQL server"));
        }
        if length == LONGEST {
            return Err(Error::Protocol("a row is longer than 16 MiB"));
        }
        self.next = number.wrapping_add(1);
        self.fill(HEADER + length).await?;
        let packet = self.start + HEADER..self.start + HEADER + length;
        self.start = packet.end;
        match &self.buffer[packet] {
            [] => Err(Error::Protocol("a packet of the server is empty")),
            [0xff, error @ ..] => Err(refusal(error)),
            packet => Ok(packet),
        }
    }

    /// Waits until `needed` bytes are there.
    async fn fill(&mut self, needed: usize) -> Result<(), Error> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() > BUFFER && needed <= BUFFER {
                self.buffer = vec![0; BUFFER];
            }
        }
        if self.buffer.len() - self.start < needed {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.buffer.len() < needed {
                self.buffer.resize(needed, 0);
            }
        }
        while self.end - self.start < needed {
            match self.stream.read(&mut self.buffer[self.end..]).await? {
                0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection").into()),
                more => self.end += more,
            }
        }
        Ok(())
    }
}

/// What a packet says that tells an error.
fn refusal(packet: &[u8]) -> Error {
    let (number, rest) = packet.split_first_chunk().map_or((0, packet), |(number, rest)| (u16::from_le_bytes(*number), rest));
    // Before the login there is no state.
    let (state, message) = match rest {
        [b'#', rest @ ..] if rest.len() >= 5 => rest.split_at(5),
        message => (&[][..], message),
    };
    let [state, message] = [state, message].map(|text| String::from_utf8_lossy(text).into_owned());
    Error::Server { number, state, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(packets: &[(u8, &[u8])]) -> Vec<u8> {
        let packet = |&(number, text): &(u8, &[u8])| {
            let [a, b, c, ..] = text.len().to_le_bytes();
            [&[a, b, c, number], text].concat()
        };
        packets.iter().flat_map(packet).collect()
    }

    #[tokio::test]
    async fn packets_are_put_together_however_they_come() {
        let long = vec![7; 3 * BUFFER];
        let bytes = sent(&[(0, b"a"), (1, &long), (2, b"bc"), (3, &long), (4, b"d")]);
        for step in [1, 3, 1000, bytes.len()] {
            let (server, client) = tokio::io::duplex(64 * 1024);
            let bytes = bytes.clone();
            let write = async move {
                let mut server = server;
                for part in bytes.chunks(step) {
                    server.write_all(part).await.expect("read by the client");
                }
            };
            let read = async {
                let mut packets = Packets::new(Box::new(client), 0);
                for expected in [b"a", &long[..], b"bc", &long, b"d"] {
                    assert_eq!(packets.receive().await.expect("a packet"), expected);
                }
                packets.receive().await.expect_err("the end").to_string()
            };
            assert_eq!(tokio::join!(write, read).1, "the server closed the connection");
        }
    }

    #[tokio::test]
    async fn what_is_no_mysql_server_is_told_at_once() {
        let (mut server, client) = tokio::io::duplex(64);
        server.write_all(b"SSH-2.0-OpenSSH\r\n").await.expect("read by the client");
        let error = Packets::new(Box::new(client), 0).receive().await.expect_err("no server").to_string();
        assert_eq!(error, "what answers is no MySQL server");
    }

    #[test]
    fn errors_have_a_state_after_the_login() {
        let parts = |packet: &[u8]| match refusal(packet) {
            Error::Server { number, state, message } => (number, state, message),
            other => panic!("{other}"),
        };
        assert_eq!(parts(b"\x15\x04#28000Access denied"), (1045, "28000".to_owned(), "Access denied".to_owned()));
        assert_eq!(parts(b"\x10\x04Too many connections"), (1040, String::new(), "Too many connections".to_owned()));
        assert_eq!(parts(b""), (0, String::new(), String::new()));
    }
}
