//! HTTP/1.1 as far as it takes to get a user.

use std::io::{Error, Write};

use super::connection::{Reply, Wire};

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
        let text = std::str::from_utf8(input).map_err(Error::other)?;
        let Some((head, rest)) = text.split_once("\r\n\r\n") else { return Ok(None) };
        let unexpected = || Error::other(format!("not a reply of HTTP with a user: {text:?}"));
        let (status, headers) = head.split_once("\r\n").ok_or_else(unexpected)?;
        let mut headers = headers.lines().filter_map(|header| header.split_once(':'));
        let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length")).and_then(|(_, value)| value.trim().parse().ok());
        let length: usize = length.ok_or_else(unexpected)?;
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let after = |before| body.split_once(before).map(|(_, after)| after);
        let user = after("\"userID\":\"").and_then(|user| user.split_once('"')?.0.parse().ok()).ok_or_else(unexpected)?;
        if !status.starts_with("HTTP/1.1 200") {
            return Err(unexpected());
        }
        Ok(Some((head.len() + 4 + length, Some(Reply { call: 0, user }))))
    }
}
