use std::future::pending;
use std::sync::Mutex;

use proptest::prelude::*;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};
use user_info_testing::port::{Unanswering, free_address};

use super::*;

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// What becomes of an attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// No answer.
    Dead,
    /// Refused after so many milliseconds.
    Refused(u64),
    /// Connected after so many milliseconds.
    Connected(u64),
}

/// Races to addresses with these fates: when it ended, the address that won or the number of failures, and when each attempt began.
async fn run(fates: &[Fate]) -> (u64, Result<usize, usize>, Vec<u64>) {
    let (begun, attempts) = (Instant::now(), Mutex::new(Vec::new()));
    let since = || u64::try_from(begun.elapsed().as_millis()).expect("short");
    let addresses = (0..fates.len()).map(|index| SocketAddr::from(([127, 0, 0, 1], u16::try_from(index).expect("few")))).collect();
    let attempt = |address: SocketAddr| {
        attempts.lock().expect("no panic").push(since());
        let index = usize::from(address.port());
        let fate = fates[index];
        async move {
            match fate {
                Fate::Dead => pending().await,
                Fate::Refused(after) => {
                    sleep(Duration::from_millis(after)).await;
                    Err(())
                }
                Fate::Connected(after) => {
                    sleep(Duration::from_millis(after)).await;
                    Ok(index)
                }
            }
        }
    };
    let outcome = race(addresses, attempt).await;
    (since(), outcome.map_err(|failed| failed.len()), attempts.into_inner().expect("no panic"))
}

#[tokio::test(start_paused = true)]
async fn c3_the_next_address_is_tried_after_a_quarter_of_a_second_or_at_once() {
    use Fate::{Connected, Dead, Refused};
    for (fates, ended, outcome, attempts) in [
        (&[Connected(5), Connected(1)][..], 5, Ok(0), &[0][..]),
        (&[Dead, Connected(5)], 255, Ok(1), &[0, 250]),
        (&[Dead, Dead, Dead, Connected(5)], 755, Ok(3), &[0, 250, 500, 750]),
        (&[Refused(3), Connected(5)], 8, Ok(1), &[0, 3]),
        (&[Refused(3), Refused(4)], 7, Err(2), &[0, 3]),
        // The slow one is not given up, and may win.
        (&[Connected(300), Connected(100)], 300, Ok(0), &[0, 250]),
        (&[Connected(400), Connected(100)], 350, Ok(1), &[0, 250]),
        (&[Dead, Refused(3), Connected(5)], 258, Ok(2), &[0, 250, 253]),
        (&[], 0, Err(0), &[]),
    ] {
        assert_eq!(run(fates).await, (ended, outcome, attempts.to_vec()), "{fates:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn c3_many_dead_addresses_leave_time_for_the_last() {
    for number in 2..70 {
        let mut fates = vec![Fate::Dead; number];
        fates[number - 1] = Fate::Connected(100);
        let (ended, outcome, _) = run(&fates).await;
        assert_eq!(outcome, Ok(number - 1));
        assert!(ended < 1000, "{number} addresses: {ended} ms");
    }
    assert_eq!(delay(1000), SHORTEST_DELAY);
}

#[test]
fn c3_families_take_turns() {
    let sorted = |found: &[&str]| {
        let order = interleaved(found.iter().map(|text| address(text)));
        order.iter().map(|address| if address.is_ipv6() { '6' } else { '4' }).collect::<String>()
    };
    assert_eq!(sorted(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"]), "6466");
    assert_eq!(sorted(&["1.1.1.1:1", "[::1]:1", "[::2]:1"]), "466");
    assert_eq!(sorted(&["1.1.1.1:1", "1.1.1.1:1", "1.1.1.2:1"]), "44");
    assert_eq!(sorted(&[]), "");
}

proptest! {
    #[test]
    fn c3_no_address_is_left_out(found in prop::collection::vec((any::<bool>(), 0..8_u8), 0..12)) {
        let found: Vec<_> = found.iter().map(|(six, host)| address(&if *six { format!("[::{host}]:1") } else { format!("10.0.0.{host}:1") })).collect();
        let order = interleaved(found.iter().copied());
        prop_assert!(found.iter().all(|address| order.iter().filter(|other| *other == address).count() == 1));
        prop_assert_eq!(order.first(), found.first());
    }
}

#[tokio::test]
async fn c3_an_address_that_answers_nobody_is_passed_by() {
    let (dead, alive) = (Unanswering::start(free_address()).await, TcpListener::bind("127.0.0.1:0").await.expect("a free port"));
    let alive = alive.local_addr().expect("bound");
    let connected = timeout(Duration::from_secs(1), connect(vec![dead.address, alive])).await.expect("in time").expect("one is alive");
    assert_eq!(connected.peer_addr().expect("connected"), alive);
    let refused = connect(vec![free_address(), alive]).await.expect("one is alive");
    assert_eq!(refused.peer_addr().expect("connected"), alive);
}

#[tokio::test]
async fn c3_who_fails_says_of_which_address() {
    let [one, other] = user_info_testing::port::free_addresses();
    let error = dial("127.0.0.1", one.port()).await.expect_err("nobody listens");
    assert_eq!(error.to_string(), "Connection refused (os error 111)");
    let error = connect(vec![one, other]).await.expect_err("nobody listens");
    assert_eq!(error.to_string(), format!("{one}: Connection refused (os error 111); {other}: Connection refused (os error 111)"));
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let many = (1..6).map(|port| (SocketAddr::from(([127, 0, 0, 1], port)), io::Error::from(io::ErrorKind::TimedOut))).collect();
    assert!(all_failed(many).to_string().ends_with("; and 2 more addresses"));
    assert!(dial("no-such-host.invalid", 1).await.is_err());
}
