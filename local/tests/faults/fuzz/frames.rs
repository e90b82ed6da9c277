//! Conversations in HTTP/2 that are broken somewhere: bytes flipped, cut out, repeated and made up, and frames that make no sense.

use std::net::SocketAddr;
use std::time::Duration;

use fastrand::Rng;
use futures_util::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use user_info_testing::metrics::Metrics;
use user_info_testing::process::{descriptors, memory};
use user_info_testing::wait::{PATIENCE, check, eventually};

use super::{GET_USER_INFO, MEMORY, connections, serves, start};
use crate::setting::number;

/// Conversations; `USER_INFO_TEST_CONVERSATIONS` says otherwise.
const CONVERSATIONS: u64 = 10_000;
/// Who says nothing for so long has said all.
const SILENCE: Duration = Duration::from_millis(5);
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const SETTINGS: u8 = 4;
pub(super) const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A frame (RFC 9113, section 4.1).
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The fields of a call's head, by HPACK's static table and without Huffman's code (RFC 7541, section 6).
fn head() -> Vec<u8> {
    let mut fields = vec![0x83, 0x86];
    for (name, value) in [(&[0x04][..], GET_USER_INFO), (&[0x01], "a"), (&[0x0f, 0x10], "application/grpc"), (b"\x00\x02te", "trailers")] {
        fields.extend(name);
        fields.push(value.len().try_into().expect("short"));
        fields.extend(value.bytes());
    }
    fields
}

/// Preface, settings and `calls` calls, as they ought to be.
fn conversation(calls: u32) -> Vec<u8> {
    let mut bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    for call in 0..calls {
        let stream = 2 * call + 1;
        bytes.extend(frame(HEADERS, END_HEADERS, stream, &head()));
        bytes.extend(frame(DATA, END_STREAM, stream, &[0, 0, 0, 0, 2, 8, 1]));
    }
    bytes
}

/// Up to 63 bytes, whatever they are.
fn bytes_of(random: &mut Rng) -> Vec<u8> {
    let length = random.usize(0..64);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

/// What a caller sends over HTTP/1.1 that makes so many calls.
fn requests(calls: u32) -> Vec<u8> {
    b"GET /user_info/1 HTTP/1.1\r\nhost: user-info\r\ncontent-length: 3\r\naccept: application/json\r\n\r\nabc".repeat(calls as usize)
}

/// Breaks `bytes` in one to four places behind the first `whole`.
fn break_up(mut bytes: Vec<u8>, whole: usize, random: &mut Rng) -> Vec<u8> {
    for _ in 0..random.usize(1..=4) {
        let place = random.usize(whole..=bytes.len());
        let end = (place + random.usize(0..40)).min(bytes.len());
        match random.u8(0..6) {
            0 => bytes[place..end].iter_mut().for_each(|byte| *byte ^= random.u8(..)),
            1 if end > place => bytes[place] ^= 1 << random.u8(0..8),
            2 => drop(bytes.drain(place..end)),
            3 => {
                let again = bytes[place..end].to_vec();
                bytes.splice(place..place, again);
            }
            4 => {
                let made_up = bytes_of(random);
                bytes.splice(place..place, made_up);
            }
            _ => {
                let payload = bytes_of(random);
                let stream = if random.bool() { random.u32(0..8) } else { random.u32(..) };
                bytes.splice(place..place, frame(random.u8(0..12), random.u8(..), stream, &payload));
            }
        }
    }
    bytes
}

/// Says `bytes`, hears what there is to hear, and hangs up; the connection has to end then.
async fn say(address: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    // It may be ended at any time.
    let _ = stream.write_all(bytes).await;
    let mut answer = [0; 1024];
    while timeout(SILENCE, stream.read(&mut answer)).await.is_ok_and(|read| read.is_ok_and(|length| length > 0)) {}
    let _ = stream.shutdown().await;
    let ended = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
    assert!(ended.is_ok(), "the connection stays open after {bytes:x?}");
}

#[tokio::test]
async fn broken_conversations_end_and_cost_nothing() {
    let instance = start("").await;
    serves(&instance).await;
    let calls = async |kind: &str, code: &str| {
        let labels = [format!("kind=\"{kind}"), format!("code=\"{code}")];
        Metrics::of(instance.http).await.sum("bbs_user_info_server_requests_throughput", &labels.each_ref().map(String::as_str))
    };
    let whole = connections(instance.grpc, 1, &conversation(3)).await;
    eventually("what is not broken is served", async || check(calls("grpc", "0").await == 3.0, "calls are missing")).await;
    drop(whole);

    let seed = number("USER_INFO_TEST_SEED").unwrap_or_else(|| fastrand::u64(..));
    let count = number("USER_INFO_TEST_CONVERSATIONS").unwrap_or(CONVERSATIONS);
    println!("USER_INFO_TEST_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let (before, open) = (memory(instance.pid()), descriptors(instance.pid()));
    let broken = std::iter::repeat_with(|| {
        let calls = random.u32(1..5);
        if random.u8(0..4) == 0 {
            (instance.http, break_up(requests(calls), 0, &mut random))
        } else {
            (instance.grpc, break_up(conversation(calls), PREFACE.len(), &mut random))
        }
    });
    stream::iter(broken.take(usize::try_from(count).expect("few enough")))
        .for_each_concurrent(16, async |(port, bytes)| say(port, &bytes).await)
        .await;
    let grown = memory(instance.pid()).saturating_sub(before);
    let (served, failed) = (calls("", "0").await, calls("", "5").await);
    println!("{count} broken conversations: {served} calls served all the same, {failed} failed, {grown} bytes more");
    serves(&instance).await;
    assert!(grown < MEMORY, "{grown} bytes");
    assert_eq!(failed, 0.0, "codes from 500 on");
    assert_eq!(Metrics::of(instance.http).await.sum("bbs_user_info_panics_total", &[]), 0.0);
    eventually("nothing of them is left", async || {
        let left = Metrics::of(instance.http).await.sum("bbs_user_info_server_requests_in_flight", &["kind=\"grpc\""]);
        let descriptors = descriptors(instance.pid());
        check(left == 0.0 && descriptors <= open + 2, (left, descriptors))
    })
    .await;
}
