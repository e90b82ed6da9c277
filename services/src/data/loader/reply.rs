//! Where the answer to one read goes: a cell that the caller and an owner share, on whichever threads they are.
//!
//! Unlike a oneshot channel it wakes nobody by itself: who answers many reads decides how their callers are woken.

use std::future::Future;
use std::mem::replace;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A place for one answer: the side that gives it, and the future that waits for it.
pub(super) fn reply<T>() -> (Answerer<T>, Reply<T>) {
    let cell = Arc::new(Mutex::new(State::Open(None)));
    (Answerer(Some(Arc::clone(&cell))), Reply(cell))
}

type Cell<T> = Mutex<State<T>>;

enum State<T> {
    /// No answer yet. The caller, if it waits already.
    Open(Option<Waker>),
    Answered(T),
    /// Nobody will answer, or the answer has been taken.
    Over,
}

fn lock<T>(cell: &Cell<T>) -> MutexGuard<'_, State<T>> {
    // No code that can panic runs under the lock.
    cell.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the answer. Dropped without one, it wakes the caller, who then knows that none will come.
#[must_use]
pub(super) struct Answerer<T>(Option<Arc<Cell<T>>>);

impl<T> Answerer<T> {
    /// Gives the answer, and returns whom to wake, if somebody waits for it.
    #[must_use]
    pub(super) fn answer(mut self, value: T) -> Option<Waker> {
        let cell = self.0.take()?;
        let State::Open(waker) = replace(&mut *lock(&cell), State::Answered(value)) else { return None };
        waker
    }

    /// Whether the caller went away.
    pub(super) fn is_closed(&self) -> bool {
        self.0.as_ref().is_none_or(|cell| Arc::strong_count(cell) == 1)
    }
}

impl<T> Drop for Answerer<T> {
    fn drop(&mut self) {
        if let Some(cell) = self.0.take()
            && let State::Open(Some(waker)) = replace(&mut *lock(&cell), State::Over)
        {
            waker.wake();
        }
    }
}

/// Waits for the answer: `None` if none will come.
pub(super) struct Reply<T>(Arc<Cell<T>>);

impl<T> Future for Reply<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = lock(&self.0);
        match &mut *state {
            State::Open(Some(waker)) => waker.clone_from(cx.waker()),
            State::Open(waker) => *waker = Some(cx.waker().clone()),
            over => {
                let State::Answered(value) = replace(over, State::Over) else { return Poll::Ready(None) };
                return Poll::Ready(Some(value));
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::task::noop_waker;

    use super::*;

    fn poll<T>(reply: &mut Reply<T>) -> Poll<Option<T>> {
        reply.poll_unpin(&mut Context::from_waker(&noop_waker()))
    }

    #[test]
    fn who_waits_is_handed_to_the_one_who_answers() {
        let (answerer, mut early) = reply();
        assert_eq!(poll(&mut early), Poll::Pending);
        assert_eq!(poll(&mut early), Poll::Pending);
        assert!(answerer.answer(1).is_some());
        assert_eq!(poll(&mut early), Poll::Ready(Some(1)));

        let (answerer, mut late) = reply();
        assert!(answerer.answer(2).is_none(), "nobody has to be woken");
        assert_eq!(poll(&mut late), Poll::Ready(Some(2)));
    }

    #[test]
    fn either_side_learns_that_the_other_is_gone() {
        let (answerer, reply_) = reply::<u8>();
        assert!(!answerer.is_closed());
        drop(reply_);
        assert!(answerer.is_closed());
        assert!(answerer.answer(1).is_none());

        let (answerer, mut reply) = reply::<u8>();
        assert_eq!(poll(&mut reply), Poll::Pending);
        drop(answerer);
        assert_eq!(poll(&mut reply), Poll::Ready(None));
    }
}
