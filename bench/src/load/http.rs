//! HTTP/1.1 as far as it takes to get a user.

use std::io::{Error, Write};

use super::wire::{Reply, Wire};

/// What ends the head of a message.
const END: &[u8] = b"\r\n\r\n";

/// The connection's side of HTTP.
pub(super) struct Http {
    host: String,
}

impl Http {
    pub(super) fn new(host: &str) -> Self {
        Self { host: host.to_owned() }
    }
}

impl Wire for Http {
    fn open(&mut self, _: &mut Vec<u8>) {}

    fn call(&mut self, user: i64, output: &mut Vec<u8>) -> u32 {
        // Writing into memory does not fail.
        let _ = write!(output, "GET /user_info/{user} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host);
        0
    }

    fn reply(&mut self, input: &[u8], _: &mut Vec<u8>) -> Result<Option<(usize, Option<Reply>)>, Error> {
        let Some(end) = input.windows(END.len()).position(|bytes| bytes == END) else { return Ok(None) };
        let (head, rest) = (String::from_utf8_lossy(&input[..end]), &input[end + END.len()..]);
        let unexpected = || Error::other(format!("not a reply of HTTP with a user: {:?}", String::from_utf8_lossy(input)));
        let (status, headers) = head.split_once("\r\n").ok_or_else(unexpected)?;
        let mut headers = headers.lines().filter_map(|header| header.split_once(':'));
        let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length")).and_then(|(_, value)| value.trim().parse().ok());
        let length: usize = length.ok_or_else(unexpected)?;
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let body = String::from_utf8_lossy(body);
        let after = |before| body.split_once(before).map(|(_, after)| after);
        let user = after("\"userID\":\"").and_then(|user| user.split_once('"')?.0.parse().ok()).ok_or_else(unexpected)?;
        if !status.starts_with("HTTP/1.1 200") {
            return Err(unexpected());
        }
        Ok(Some((end + END.len() + length, Some(Reply { call: 0, user }))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"user":{"userID":"10","userName":"zoë"}}"#;

    fn reply(status: &str) -> Vec<u8> {
        format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}", BODY.len()).into_bytes()
    }

    #[test]
    fn a_reply_is_taken_when_the_last_of_it_has_come() {
        let (mut http, mut output) = (Http::new("host"), Vec::new());
        let mut input = reply("200 OK");
        let length = input.len();
        for part in 0..length {
            assert!(http.reply(&input[..part], &mut output).unwrap().is_none(), "{part} bytes");
        }
        input.extend_from_slice(b"HTTP/1.1 200");
        let (taken, reply) = http.reply(&input, &mut output).unwrap().unwrap();
        assert_eq!((taken, reply.unwrap().user), (length, 10));
    }

    #[test]
    fn an_error_reply_is_told() {
        let error = Http::new("host").reply(&reply("429 Too Many Requests"), &mut Vec::new()).err().unwrap();
        assert!(error.to_string().contains("429 Too Many Requests"), "{error}");
    }
}
