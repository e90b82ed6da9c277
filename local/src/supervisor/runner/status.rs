//! How a process is, told to whoever follows it whenever that is something else.

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::supervisor::event::Event;
use crate::supervisor::process::{Process, ProcessState};

/// The one place that changes a [`Process`].
#[derive(Debug)]
pub(super) struct Status {
    process: watch::Sender<Process>,
    events: mpsc::UnboundedSender<Event>,
}

impl Status {
    /// Changes of `process` are told through the receiver, and that there was one through `events`.
    pub(super) fn new(process: Process, events: mpsc::UnboundedSender<Event>) -> (Self, watch::Receiver<Process>) {
        let (process, receiver) = watch::channel(process);
        (Self { process, events }, receiver)
    }

    /// How the process is.
    pub(super) fn process(&self) -> watch::Ref<'_, Process> {
        self.process.borrow()
    }

    /// Changes the process; tells nobody if it is the same afterwards.
    pub(super) fn update(&self, change: impl FnOnce(&mut Process)) {
        let changed = self.process.send_if_modified(|process| {
            let before = process.clone();
            change(process);
            *process != before
        });
        if changed {
            let _ = self.events.send(Event::Changed); // nobody listens any more: the system ends
        }
    }

    /// Enters `state`, and makes the changes that come with it.
    pub(super) fn enter(&self, state: ProcessState, and: impl FnOnce(&mut Process)) {
        self.update(|process| {
            if process.state != state {
                process.state = state;
                process.since = Instant::now();
            }
            and(process);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::supervisor::process::Role;

    #[tokio::test(start_paused = true)]
    async fn only_changes_are_told() {
        let (events, mut told) = mpsc::unbounded_channel();
        let (status, mut process) = Status::new(Process::new("user_info-1", Role::UserInfo, ProcessState::Starting), events);
        let started = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        status.enter(ProcessState::Starting, |_| {});
        status.update(|process| process.note = None);
        assert!(told.try_recv().is_err() && !process.has_changed().expect("the sender lives"));
        assert_eq!(process.borrow_and_update().since, started);

        status.enter(ProcessState::Ready, |process| process.pid = Some(1));
        assert_eq!(told.try_recv(), Ok(Event::Changed));
        assert!(told.try_recv().is_err(), "one change, told once");
        let ready = process.borrow_and_update().clone();
        assert_eq!((ready.state, ready.pid, ready.since - started), (ProcessState::Ready, Some(1), Duration::from_secs(1)));
    }
}
