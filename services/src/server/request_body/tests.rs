use std::time::Duration;

use http_body_util::{BodyExt, Full, StreamBody};
use proptest::prelude::*;
use tokio::time::Instant;
use tokio_stream::StreamExt;
use user_info_api::config::Server;
use user_info_layers::ticker::Ticker;

use super::*;

fn message(length: usize) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(length).expect("short").to_be_bytes());
    bytes.resize(PREFIX + length, 7);
    bytes
}

proptest! {
    /// However the bytes are cut, the messages are the same.
    #[test]
    fn messages_are_found_however_they_are_cut(lengths in proptest::collection::vec(0_usize..300, 0..8), cut in 1_usize..64) {
        let bytes: Vec<u8> = lengths.iter().flat_map(|length| message(*length)).collect();
        let mut framing = Framing::new();
        bytes.chunks(cut).for_each(|chunk| framing.read(chunk));
        prop_assert_eq!(framing.messages, lengths.len());
        prop_assert_eq!(framing.longest, lengths.iter().copied().max().unwrap_or_default());
        prop_assert_eq!(framing.known, 0);
    }
}

fn capacity(bytes: u64) -> Capacity {
    Capacity::new(&Server { max_buffered_bytes: Some(bytes), ..Server::default() })
}

#[tokio::test]
async fn a_message_counts_from_when_it_is_announced_until_it_is_dropped() {
    let capacity = capacity(10_000);
    // Its length, and nothing of it.
    let announced = Full::new(Bytes::from(message(8_000)[..PREFIX].to_vec()));
    let mut body = Metered::new(announced, capacity.clone());
    body.frame().await.expect("a frame").expect("there is room");
    assert!(capacity.bytes(2_001).is_none());
    let mut second = Metered::new(Full::new(Bytes::from(message(8_000))), capacity.clone());
    let refused = second.frame().await.expect("a frame").expect_err("no room");
    assert_eq!(Error::from(&refused), Error::OVERLOADED);
    let mut small = Metered::new(Full::new(Bytes::from(message(11))), capacity.clone());
    small.frame().await.expect("a frame").expect("small ones pass whatever is held");
    let too_long = [&[0][..], &u32::MAX.to_be_bytes()].concat();
    let mut too_long = Metered::new(Full::new(Bytes::from(too_long)), capacity.clone());
    too_long.frame().await.expect("a frame").expect("tonic refuses it in its own words");
    drop(body);
    assert!(capacity.bytes(10_000).is_some());
}

/// A body that sends `parts` and then nothing, without an end.
fn endless(parts: Vec<Vec<u8>>) -> impl Body<Data = Bytes, Error = std::convert::Infallible> + Unpin {
    let parts = parts.into_iter().map(|part| Ok(Frame::data(Bytes::from(part))));
    StreamBody::new(tokio_stream::iter(parts).chain(tokio_stream::pending()))
}

#[tokio::test(start_paused = true)]
async fn what_does_not_come_in_time_is_ended() {
    let ticker = Ticker::default();
    tokio::spawn(ticker.clone().run());
    let half = message(100)[..50].to_vec();
    for (parts, until, ends) in [
        (vec![], Until::FirstMessage, true),
        (vec![half.clone()], Until::FirstMessage, true),
        (vec![message(100)], Until::FirstMessage, false),
        (vec![message(100), half], Until::FirstMessage, false),
        (vec![message(100)], Until::End, true),
    ] {
        let (begun, frames) = (Instant::now(), parts.len());
        let alarm = ticker.clone().alarm(begun + Duration::from_millis(500));
        let mut body = Metered::new(endless(parts), capacity(1 << 20)).until(until, alarm);
        for _ in 0..frames {
            body.frame().await.expect("a frame").expect("whole");
        }
        let rest = tokio::time::timeout(Duration::from_secs(5), body.frame()).await;
        assert_eq!(rest.is_ok(), ends, "{frames} {until:?}");
        if let Ok(rest) = rest {
            assert_eq!(Error::from(&rest.expect("an error").expect_err("late")), Error::TIMEOUT);
            assert!(begun.elapsed() < Duration::from_millis(560), "{:?}", begun.elapsed());
        }
    }
}
