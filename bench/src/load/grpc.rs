//! gRPC as far as it takes to make unary calls of one method: HTTP/2 (RFC 9113) with headers that HPACK (RFC 7541) knows after the first call.

use std::io::Error;

use prost::Message;
use user_info_proto::{GET_USER_INFO, GetUserInfoReply, GetUserInfoRequest};

use super::wire::{Reply, Wire};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Frame types and flags.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

const FRAME_HEAD: usize = 9;
/// Of a message: a flag and the length.
const MESSAGE_HEAD: usize = 5;
/// What the server may send before it is allowed more; it is, once half is used.
const WINDOW: u32 = 1 << 30;

/// The connection's side of gRPC.
pub(super) struct Grpc {
    /// The headers of the first call, which put most of themselves into the server's table, and of all others, which refer to it.
    headers: [Vec<u8>; 2],
    stream: u32,
    message: Vec<u8>,
    /// Bytes received of the window.
    received: u32,
    /// Users of streams whose message has come, but not their end.
    answered: Vec<Reply>,
}

impl Grpc {
    /// `headers` are of the form `NAME:VALUE`.
    pub(super) fn new(authority: &str, headers: &[String]) -> Result<Self, Error> {
        // `:method POST` and `:scheme http` of the static table.
        let mut first = vec![0x83, 0x86];
        // Names in the static table: 4 `:path`, 1 `:authority`, 31 `content-type`.
        for (name, value) in [(4, GET_USER_INFO), (1, authority), (31, "application/grpc")] {
            first.push(0x40 | name);
            string(value, &mut first)?;
        }
        let more = headers.iter().map(|header| header.split_once(':').ok_or_else(|| Error::other(format!("{header:?} is not NAME:VALUE"))));
        let mut entries = 3;
        for header in std::iter::once(Ok(("te", "trailers"))).chain(more) {
            let (name, value) = header?;
            first.push(0x40);
            string(name.trim(), &mut first)?;
            string(value.trim(), &mut first)?;
            entries += 1;
        }
        // The dynamic table begins at 62 with what came last.
        let others = [0x83, 0x86].into_iter().chain((0..entries).rev().map(|entry| 0x80 | (62 + entry))).collect();
        Ok(Self { headers: [first, others], stream: 1, message: Vec::new(), received: 0, answered: Vec::new() })
    }

    fn data(&mut self, stream: u32, payload: &[u8], output: &mut Vec<u8>) -> Result<(), Error> {
        self.received += payload.len() as u32;
        if self.received > WINDOW / 2 {
            frame(WINDOW_UPDATE, 0, 0, &self.received.to_be_bytes(), output);
            self.received = 0;
        }
        if !payload.is_empty() {
            let message = payload.get(MESSAGE_HEAD..).ok_or_else(|| Error::other("a message in pieces"))?;
            let reply = GetUserInfoReply::decode(message).map_err(Error::other)?;
            self.answered.push(Reply { call: stream, user: reply.user.unwrap_or_default().user_id });
        }
        Ok(())
    }
}

impl Wire for Grpc {
    fn open(&mut self, output: &mut Vec<u8>) {
        output.extend_from_slice(PREFACE);
        frame(SETTINGS, 0, 0, &[], output);
        frame(WINDOW_UPDATE, 0, 0, &(WINDOW - 65_535).to_be_bytes(), output);
    }

    fn call(&mut self, user: i64, output: &mut Vec<u8>) -> u32 {
        let stream = self.stream;
        self.stream += 2;
        frame(HEADERS, END_HEADERS, stream, &self.headers[usize::from(stream > 1)], output);
        let request = GetUserInfoRequest { user_id: user };
        self.message.clear();
        self.message.push(0);
        self.message.extend_from_slice(&(request.encoded_len() as u32).to_be_bytes());
        self.message.extend_from_slice(&request.encode_to_vec());
        // The server's windows are far wider than what is in flight.
        frame(DATA, END_STREAM, stream, &self.message, output);
        stream
    }

    fn reply(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<Option<(usize, Option<Reply>)>, Error> {
        let Some((&[l0, l1, l2, kind, flags, s0, s1, s2, s3], rest)) = input.split_first_chunk::<FRAME_HEAD>() else { return Ok(None) };
        let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        let stream = u32::from_be_bytes([s0, s1, s2, s3]);
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        match kind {
            DATA => self.data(stream, payload, output)?,
            SETTINGS if flags & ACK == 0 => frame(SETTINGS, ACK, 0, &[], output),
            PING if flags & ACK == 0 => frame(PING, ACK, 0, payload, output),
            RST_STREAM | GOAWAY => return Err(Error::other(format!("the server ends stream {stream}: frame type {kind}, {payload:?}"))),
            _ => {}
        }
        let ended = matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0;
        let reply = if ended {
            let without =
                || Error::other(format!("the reply on stream {stream} has no message, but these headers: {}", payload.escape_ascii()));
            let place = self.answered.iter().position(|reply| reply.call == stream).ok_or_else(without)?;
            Some(self.answered.swap_remove(place))
        } else {
            None
        };
        Ok(Some((FRAME_HEAD + length, reply)))
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8], output: &mut Vec<u8>) {
    output.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    output.extend_from_slice(&[kind, flags]);
    output.extend_from_slice(&stream.to_be_bytes());
    output.extend_from_slice(payload);
}

/// A string of HPACK, not compressed.
fn string(text: &str, output: &mut Vec<u8>) -> Result<(), Error> {
    if text.len() > 126 {
        return Err(Error::other(format!("{text:?} is longer than 126 bytes")));
    }
    output.push(text.len() as u8);
    output.extend_from_slice(text.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use user_info_proto::User;

    use super::*;

    fn grpc() -> Grpc {
        Grpc::new("host", &[]).unwrap()
    }

    fn reply_about(user: i64, stream: u32) -> Vec<u8> {
        let reply = GetUserInfoReply { user: Some(User { user_id: user, ..User::default() }), ..GetUserInfoReply::default() };
        let mut message = vec![0];
        message.extend_from_slice(&(reply.encoded_len() as u32).to_be_bytes());
        message.extend_from_slice(&reply.encode_to_vec());
        let mut frames = Vec::new();
        frame(HEADERS, END_HEADERS, stream, b"headers", &mut frames);
        frame(DATA, 0, stream, &message, &mut frames);
        frame(HEADERS, END_HEADERS | END_STREAM, stream, b"trailers", &mut frames);
        frames
    }

    /// Takes all whole pieces; returns how long they are, and the replies among them.
    fn take(grpc: &mut Grpc, input: &[u8]) -> (usize, Vec<(u32, i64)>) {
        let (mut taken, mut replies) = (0, Vec::new());
        while let Some((length, reply)) = grpc.reply(&input[taken..], &mut Vec::new()).unwrap() {
            taken += length;
            replies.extend(reply.map(|reply| (reply.call, reply.user)));
        }
        (taken, replies)
    }

    #[test]
    fn a_reply_is_taken_when_its_stream_has_ended() {
        let frames = [reply_about(4096, 1), reply_about(7, 3)].concat();
        for part in 0..frames.len() {
            let mut grpc = grpc();
            let (taken, first) = take(&mut grpc, &frames[..part]);
            let (rest, second) = take(&mut grpc, &frames[taken..]);
            assert_eq!((taken + rest, [first, second].concat()), (frames.len(), vec![(1, 4096), (3, 7)]), "{part} bytes first");
        }
    }

    #[test]
    fn an_error_reply_is_told() {
        let mut frames = Vec::new();
        frame(HEADERS, END_HEADERS | END_STREAM, 1, b"grpc-status: 14", &mut frames);
        let error = grpc().reply(&frames, &mut Vec::new()).err().unwrap();
        assert!(error.to_string().contains("grpc-status: 14"), "{error}");
    }

    #[test]
    fn the_end_of_the_connection_is_told() {
        let mut frames = Vec::new();
        frame(GOAWAY, 0, 0, &[0; 8], &mut frames);
        let error = grpc().reply(&frames, &mut Vec::new()).err().unwrap();
        assert!(error.to_string().contains("the server ends"), "{error}");
    }

    #[test]
    fn the_server_may_send_on_before_its_window_is_used_up() {
        let (mut grpc, mut output) = (grpc(), Vec::new());
        grpc.received = WINDOW / 2;
        let mut data = Vec::new();
        frame(DATA, 0, 1, &[0; MESSAGE_HEAD], &mut data);
        grpc.reply(&data, &mut output).unwrap().unwrap();
        let mut update = Vec::new();
        frame(WINDOW_UPDATE, 0, 0, &(WINDOW / 2 + MESSAGE_HEAD as u32).to_be_bytes(), &mut update);
        assert_eq!(output, update);
    }
}
