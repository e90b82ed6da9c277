//! The one drop guard of the layers: what began with a call ends with it, however it ends.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::Error;

/// How a call ended.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// With a reply.
    Success,
    /// With an error.
    Failure(&'a Error),
    /// Nobody waits for it any more, or it panicked.
    Canceled,
}

/// Something that is held while a call runs and wants to know how it ended: a permit, a measurement.
///
/// ```
/// use user_info_layers::Error;
/// use user_info_layers::guard::{Guard, Guarded, Outcome};
///
/// struct Counted;
///
/// impl Guard for Counted {
///     fn done(self, outcome: Outcome<'_>) {
///         assert!(matches!(outcome, Outcome::Canceled));
///     }
/// }
///
/// drop(Guarded::new(std::future::pending::<Result<(), Error>>(), Counted));
/// ```
pub trait Guard {
    /// Called exactly once.
    fn done(self, outcome: Outcome<'_>);
}

impl<G: Guard> Guard for Option<G> {
    fn done(self, outcome: Outcome<'_>) {
        if let Some(guard) = self {
            guard.done(outcome);
        }
    }
}

pin_project! {
    /// Runs a call's future and tells the guard how it ended, also if the future is dropped or panics.
    #[derive(Debug)]
    pub struct Guarded<F, G: Guard> {
        #[pin]
        inner: F,
        guard: Option<G>,
    }

    impl<F, G: Guard> PinnedDrop for Guarded<F, G> {
        fn drop(this: Pin<&mut Self>) {
            this.project().guard.take().done(Outcome::Canceled);
        }
    }
}

impl<F, G: Guard> Guarded<F, G> {
    /// Guards `inner`.
    pub const fn new(inner: F, guard: G) -> Self {
        Self { inner, guard: Some(guard) }
    }
}

impl<T, F: Future<Output = Result<T, Error>>, G: Guard> Future for Guarded<F, G> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Poll::Ready(result) = this.inner.poll(cx) else { return Poll::Pending };
        this.guard.take().done(match &result {
            Ok(_) => Outcome::Success,
            Err(error) => Outcome::Failure(error),
        });
        Poll::Ready(result)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<String>>>);

    impl Guard for Seen {
        fn done(self, outcome: Outcome<'_>) {
            self.0.lock().unwrap().push(format!("{outcome:?}"));
        }
    }

    #[tokio::test]
    async fn tells_each_end_exactly_once() {
        let seen = Seen::default();
        Guarded::new(async { Ok(()) }, seen.clone()).await.expect("succeeds");
        Guarded::new(async { Err::<(), _>(Error::RATELIMIT) }, seen.clone()).await.expect_err("fails");
        drop(Guarded::new(std::future::pending::<Result<(), Error>>(), seen.clone()));
        let panicking = Guarded::new(async { panic!("on purpose") as Result<(), Error> }, seen.clone());
        tokio::spawn(panicking).await.expect_err("panics");
        let seen = seen.0.lock().unwrap();
        assert_eq!(seen.len(), 4);
        assert_eq!((&*seen[0], &*seen[2], &*seen[3]), ("Success", "Canceled", "Canceled"));
        assert!(seen[1].starts_with("Failure"), "{}", seen[1]);
    }
}
