//! Wakes tasks of one worker from another one's thread with one system call, however many they are.
//!
//! A runtime that is woken from elsewhere is written to its event descriptor, once for each task. Here only one task is: it wakes the others
//! from inside, which costs nothing.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The tasks of a worker that are to be woken.
#[derive(Default)]
pub(super) struct Wakes(Mutex<State>);

#[derive(Default)]
struct State {
    due: Vec<Waker>,
    /// The task of [`Wakes::run`] while it runs.
    task: Option<Waker>,
}

impl Wakes {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has these woken, and empties the list.
    pub(super) fn forward(&self, wakers: &mut Vec<Waker>) {
        let mut state = self.state();
        if state.task.is_none() {
            drop(state);
            // Nobody there wakes them, or not yet.
            wakers.drain(..).for_each(Waker::wake);
            return;
        }
        // Once told, it finds what comes until it runs.
        let untold = if state.due.is_empty() { state.task.clone() } else { None };
        state.due.append(wakers);
        drop(state);
        if let Some(task) = untold {
            task.wake();
        }
    }

    /// Wakes what is due, for ever; on the worker's runtime.
    pub(super) async fn run(self: Arc<Self>) {
        let _stop = Stop(&self);
        let mut due = Vec::new();
        poll_fn(|cx| self.poll(cx, &mut due)).await
    }

    fn poll(&self, cx: &Context<'_>, due: &mut Vec<Waker>) -> Poll<()> {
        let mut state = self.state();
        match &mut state.task {
            Some(task) => task.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        std::mem::swap(&mut state.due, due);
        drop(state);
        due.drain(..).for_each(Waker::wake);
        Poll::Pending
    }
}

/// The task ends with its runtime: what is due then is woken by who ends it, and what comes later by who asks for it.
struct Stop<'a>(&'a Wakes);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.task = None;
        let due = std::mem::take(&mut state.due);
        drop(state);
        due.into_iter().for_each(Waker::wake);
    }
}

/// The callers that an owner has to wake: those of its own worker at once, the others together.
pub(super) struct Callers {
    here: usize,
    elsewhere: Vec<Vec<Waker>>,
    any_elsewhere: bool,
}

impl Callers {
    /// For an owner that runs on the worker `here` of so many.
    pub(super) fn new(here: usize, workers: usize) -> Self {
        Self { here, elsewhere: vec![Vec::new(); workers], any_elsewhere: false }
    }

    /// Wakes a caller of the worker `home`, or remembers it.
    pub(super) fn wake(&mut self, home: usize, caller: Waker) {
        if home == self.here {
            caller.wake();
        } else {
            self.elsewhere[home].push(caller);
            self.any_elsewhere = true;
        }
    }

    /// Wakes those that it remembers, by the list of their worker.
    pub(super) fn wake_elsewhere(&mut self, workers: &[Arc<Wakes>]) {
        if !std::mem::take(&mut self.any_elsewhere) {
            return;
        }
        for (wakes, callers) in workers.iter().zip(&mut self.elsewhere) {
            if !callers.is_empty() {
                wakes.forward(callers);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use futures_util::FutureExt;

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Counter {
        fn woken(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn many_cost_one_wake_from_elsewhere() {
        let (wakes, task, caller) = (Arc::new(Wakes::default()), Arc::new(Counter::default()), Arc::new(Counter::default()));
        let callers = |number| vec![Waker::from(Arc::clone(&caller)); number];
        wakes.forward(&mut callers(1));
        assert_eq!(caller.woken(), 1, "at once while no task runs");

        let waker = Waker::from(Arc::clone(&task));
        let mut running = Box::pin(Arc::clone(&wakes).run());
        assert!(running.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
        wakes.forward(&mut callers(3));
        wakes.forward(&mut callers(2));
        assert_eq!((task.woken(), caller.woken()), (1, 1));
        assert!(running.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(caller.woken(), 6);
        wakes.forward(&mut callers(1));
        assert_eq!(task.woken(), 2, "again once it has done what was due");

        drop(running);
        assert_eq!(caller.woken(), 7, "what is due when the task ends");
        wakes.forward(&mut callers(1));
        assert_eq!(caller.woken(), 8);
    }
}
