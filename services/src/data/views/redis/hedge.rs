//! The first of several servers that does what it is asked for.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout;

use crate::data::loader::ConnectError;

/// How long a server may be silent before the next is asked as well. Well below the time that all of them have.
const STAGGER: Duration = Duration::from_millis(150);

/// What the first of `addresses` gives that does not fail. Each is asked as soon as the one before has failed or been silent for a while;
/// who was asked goes on.
///
/// # Errors
/// What the last of them said; or one that somebody has to do something about, if there was one.
pub(super) async fn first<'a, T, F>(addresses: &'a [String], ask: impl Fn(&'a str) -> F) -> Result<T, ConnectError>
where
    F: Future<Output = Result<T, ConnectError>>,
{
    let mut left = addresses.iter();
    let mut asked = FuturesUnordered::new();
    let mut failure = ConnectError::Unreachable("no address".to_owned());
    loop {
        if let Some(address) = left.next() {
            asked.push(ask(address));
        }
        let answer = if left.len() == 0 {
            asked.next().await
        } else {
            match timeout(STAGGER, asked.next()).await {
                Ok(answer) => answer,
                Err(_) => continue,
            }
        };
        match answer {
            Some(Ok(found)) => return Ok(found),
            Some(Err(error)) if matches!(failure, ConnectError::Unreachable(_)) => failure = error,
            Some(Err(_)) => {}
            None => return Err(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::Instant;

    use super::*;

    async fn ask(address: &str) -> Result<String, ConnectError> {
        match address {
            "away" => Err(ConnectError::Unreachable(address.to_owned())),
            "wrong" => Err(ConnectError::Configuration(address.to_owned())),
            "silent" => pending().await,
            other => Ok(other.to_owned()),
        }
    }

    async fn first_of(addresses: &[&str]) -> Result<String, ConnectError> {
        let addresses: Vec<_> = addresses.iter().map(|&address| address.to_owned()).collect();
        first(&addresses, ask).await
    }

    #[tokio::test(start_paused = true)]
    async fn c3_those_who_fail_or_are_silent_are_passed_over() {
        let start = Instant::now();
        assert_eq!(first_of(&["away", "wrong", "here", "there"]).await, Ok("here".to_owned()));
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(first_of(&["silent", "away", "silent", "here"]).await, Ok("here".to_owned()));
        assert_eq!(start.elapsed(), 2 * STAGGER);
    }

    #[tokio::test(start_paused = true)]
    async fn what_somebody_has_to_mend_is_told_rather_than_who_is_away() {
        assert_eq!(first_of(&["away", "wrong", "away"]).await, Err(ConnectError::Configuration("wrong".to_owned())));
        assert_eq!(first_of(&["away"]).await, Err(ConnectError::Unreachable("away".to_owned())));
    }
}
