//! A call that comes by gRPC.

use std::time::Duration;

use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use tonic::Request;
use tonic::metadata::MetadataMap;

use super::{Call, Kind};

/// Header in which a caller says how long it waits.
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

impl<M> Call<M> {
    /// The call that a gRPC request makes, received now: its message, its headers, and the deadline that `grpc-timeout` asks for.
    ///
    /// This is all that stands between a method of tonic and a stack of layers; `examples/health.rs` shows it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use user_info_layers::Call;
    ///
    /// let mut request = tonic::Request::new(42);
    /// request.metadata_mut().insert("grpc-timeout", "250m".parse().unwrap());
    /// let call = Call::from_grpc("/shop.Orders/Get", request);
    /// assert_eq!(call.deadline, Some(call.received + Duration::from_millis(250)));
    /// ```
    pub fn from_grpc(operation: &'static str, request: Request<M>) -> Self {
        let (metadata, _, message) = request.into_parts();
        Self::begun_by_grpc(operation, metadata.into_headers(), Instant::now(), message)
    }

    /// The same of a request whose headers came at `received`.
    pub fn begun_by_grpc(operation: &'static str, metadata: HeaderMap, received: Instant, message: M) -> Self {
        let deadline = timeout(&metadata).and_then(|timeout| received.checked_add(timeout));
        Self { kind: Kind::Grpc, operation, metadata, received, deadline, extensions: Extensions::new(), message }
    }

    /// The gRPC request for this call: its message, its headers, and what is left at `now` of its time, in whole milliseconds.
    pub fn to_grpc(&self, now: Instant) -> Request<M>
    where
        M: Clone,
    {
        let mut headers = self.metadata.clone();
        if let Some(deadline) = self.deadline {
            headers.insert(GRPC_TIMEOUT, rounded_up(deadline.saturating_duration_since(now)));
        }
        Request::from_parts(MetadataMap::from_headers(headers), Extensions::new(), self.message.clone())
    }
}

/// A timeout as gRPC writes it. In milliseconds most calls have the same, and HPACK sends one byte for what it knows.
fn rounded_up(timeout: Duration) -> HeaderValue {
    // The standard allows eight digits.
    let mut rest = timeout.as_micros().div_ceil(1000).min(99_999_999) as u32;
    // Without the formatting machinery, since every call of a client has one.
    let mut text = *b"00000000m";
    for digit in text[..8].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let zeros = text[..7].iter().take_while(|digit| **digit == b'0').count();
    HeaderValue::from_bytes(&text[zeros..]).unwrap_or(HeaderValue::from_static("1m"))
}

/// How long the caller waits, unless it does not say so or says it wrongly.
///
/// The header is taken here and not by tonic's own server, which arms a timer for each.
pub fn timeout(metadata: &HeaderMap) -> Option<Duration> {
    let text = metadata.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let nanoseconds_in_unit = match unit {
        "H" => 3_600_000_000_000,
        "M" => 60_000_000_000,
        "S" => 1_000_000_000,
        "m" => 1_000_000,
        "u" => 1_000,
        "n" => 1,
        _ => return None,
    };
    let valid = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let n: u64 = digits.parse().ok().filter(|_| valid)?;
    Some(Duration::from_nanos(n.saturating_mul(nanoseconds_in_unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_how_much_time_is_left() {
        let mut call = Call::new(Kind::Grpc, "/op", 42);
        let told = |call: &Call<i32>, after| {
            let request = call.to_grpc(call.received + Duration::from_micros(after));
            assert_eq!(request.get_ref(), &42);
            request.metadata().get(GRPC_TIMEOUT.as_str()).map(|value| value.to_str().expect("text").to_owned())
        };
        assert_eq!(told(&call, 0), None);
        call.deadline = Some(call.received + Duration::from_secs(1));
        assert_eq!(told(&call, 0).as_deref(), Some("1000m"));
        assert_eq!(told(&call, 15).as_deref(), Some("1000m"));
        assert_eq!(told(&call, 999_001).as_deref(), Some("1m"));
        assert_eq!(told(&call, 2_000_000).as_deref(), Some("0m"));
        call.deadline = Some(call.received + Duration::from_secs(1 << 30));
        assert_eq!(told(&call, 0).as_deref(), Some("99999999m"));
    }

    #[test]
    fn reads_grpc_timeouts() {
        let read = |text: &str| {
            let mut metadata = HeaderMap::new();
            metadata.insert("grpc-timeout", text.parse().expect("a header's value"));
            timeout(&metadata).map(|d| d.as_nanos())
        };
        for (text, nanos) in [("1H", 3_600_000_000_000), ("2S", 2_000_000_000), ("100m", 100_000_000), ("5u", 5_000), ("7n", 7), ("0m", 0)]
        {
            assert_eq!(read(text), Some(nanos), "{text}");
        }
        for text in ["", "m", "1", "1x", "123456789m", "+1m", "-1m", "1.5S"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(timeout(&HeaderMap::new()), None);
    }
}
