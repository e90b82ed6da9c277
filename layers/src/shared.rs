//! A service that calls share instead of cloning it.

use std::sync::{Arc, Mutex, PoisonError};

use tower::Service;

/// One service for all calls of a thread; cheap to clone.
///
/// The stack of middlewares has a dozen of counted references, and to clone and drop
/// it for each call takes longer than to lock it, as nobody else does at the same time.
///
/// The service has to be always ready, as the stack is: its middlewares refuse in `call`.
#[derive(Debug)]
pub struct SharedService<S> {
    service: Arc<Mutex<S>>,
}

impl<S> SharedService<S> {
    /// Shares `service`.
    pub fn new(service: S) -> Self {
        Self { service: Arc::new(Mutex::new(service)) }
    }

    /// Makes a call.
    pub fn call<R>(&self, request: R) -> S::Future
    where
        S: Service<R>,
    {
        // A service that panicked can be called again: recovery is a middleware's job.
        self.service.lock().unwrap_or_else(PoisonError::into_inner).call(request)
    }
}

impl<S> Clone for SharedService<S> {
    fn clone(&self) -> Self {
        Self { service: Arc::clone(&self.service) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_go_on_after_one_that_panics() {
        let halve = |number: u32| {
            assert!(number.is_multiple_of(2), "odd");
            std::future::ready(Ok::<_, ()>(number / 2))
        };
        let shared = SharedService::new(tower::service_fn(halve));
        let panicking = shared.clone();
        std::thread::spawn(move || drop(panicking.call(3))).join().expect_err("odd");
        assert_eq!(shared.call(4).await, Ok(2));
    }
}
