//! Reads the body of an answer.

use std::error::Error;

use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::Body;

/// Bodies that are not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is longer than it may be.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// It broke off.
    #[error("the answer breaks off: {0}")]
    Broken(Box<dyn Error + Send + Sync>),
}

/// All of `body`, if that is `most` bytes or less. How long it may take is the caller's to say.
///
/// It is copied piece by piece: pieces that are kept are a handle and a part of a buffer each, so that a body of many tiny ones would take a
/// hundred times its length.
///
/// # Errors
/// If it is longer, or breaks off.
pub async fn read<B: Body<Error: Into<Box<dyn Error + Send + Sync>>>>(body: B, most: usize) -> Result<Bytes, ReadError> {
    let mut body = std::pin::pin!(body);
    if body.size_hint().lower() > most as u64 {
        return Err(ReadError::TooLong(most));
    }
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        // Trailers are of no use to anybody here.
        let Ok(mut data) = frame.map_err(|error| ReadError::Broken(error.into()))?.into_data() else { continue };
        if data.remaining() > most - whole.len() {
            return Err(ReadError::TooLong(most));
        }
        while data.has_remaining() {
            let piece = data.chunk();
            whole.extend_from_slice(piece);
            let length = piece.len();
            data.advance(length);
        }
    }
    Ok(whole.into())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::*;

    /// A body of so many pieces of this length, of which it says nothing before.
    fn pieces(count: usize, length: usize) -> impl Body<Data = Bytes, Error = Infallible> {
        StreamBody::new(stream::iter((0..count).map(move |_| Ok(Frame::data(Bytes::from(vec![b'a'; length]))))))
    }

    #[tokio::test]
    async fn p1_a_body_is_read_up_to_its_bound() {
        assert_eq!(read(pieces(10, 10), 100).await.expect("fits").len(), 100);
        assert_eq!(read(pieces(0, 0), 0).await.expect("fits").len(), 0);
        let error = read(pieces(11, 10), 100).await.expect_err("too long");
        assert_eq!(error.to_string(), "the answer is longer than 100 bytes");
        assert!(matches!(read(Full::new(Bytes::from(vec![0; 101])), 100).await, Err(ReadError::TooLong(100))));
    }

    #[tokio::test]
    async fn p1_a_million_tiny_pieces_take_no_more_than_their_length() {
        let whole = read(pieces(1_000_000, 1), 1 << 20).await.expect("fits");
        let whole = whole.try_into_mut().expect("nobody else has it");
        assert!(whole.capacity() <= 2 << 20, "{}", whole.capacity());
    }

    #[tokio::test]
    async fn p1_a_body_that_never_ends_is_given_up() {
        let endless = StreamBody::new(stream::repeat_with(|| Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"aaaaaaaa")))));
        assert!(matches!(read(endless, 1 << 20).await, Err(ReadError::TooLong(_))));
    }
}
