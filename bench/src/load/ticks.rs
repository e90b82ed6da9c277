//! A clock that ticks evenly, which the runtime's own timers do not: they wait for whole milliseconds, and then for two at once.

use std::io::Error;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime};
use tokio::io::unix::AsyncFd;

/// Ticks of a timer of the kernel.
pub(super) struct Ticks {
    timer: AsyncFd<OwnedFd>,
}

impl Ticks {
    /// Ticks each `period`, first after one.
    pub(super) fn every(period: Duration) -> Result<Self, Error> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let period = Timespec { tv_sec: period.as_secs() as _, tv_nsec: period.subsec_nanos().into() };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: period, it_value: period })?;
        #[expect(deprecated, reason = "unsound only for what may change or close its descriptor, which an OwnedFd does not")]
        let timer = AsyncFd::new(timer)?;
        Ok(Self { timer })
    }

    /// Waits for the next tick. Those that passed while nobody waited count as one.
    pub(super) async fn tick(&self) -> Result<(), Error> {
        loop {
            let mut ready = self.timer.readable().await?;
            match rustix::io::read(&self.timer, &mut [0; 8]) {
                Ok(_) => return Ok(()),
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn ticks_come_one_a_period_and_none_is_made_up_for() {
        let period = Duration::from_millis(20);
        let (begun, ticks) = (Instant::now(), Ticks::every(period).unwrap());
        std::thread::sleep(period * 3);
        for _ in 0..3 {
            ticks.tick().await.unwrap();
        }
        // The first was late and at once, the other two are the fourth and the fifth.
        assert!(begun.elapsed() >= period * 5, "{:?}", begun.elapsed());
    }
}
