//! Waits for the message of a call that has begun.
//!
//! A caller may send the head of a call and then nothing. Such a call is one like any other: the layers outside of this one count it, time it
//! and end it at its deadline, message or not. The layers inside see calls whose messages are here.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::shared::SharedService;
use crate::{Call, Error};

/// A message on its way; an error if it does not come whole, or is none.
pub type Coming<M> = Pin<Box<dyn Future<Output = Result<M, Error>> + Send>>;

/// The message of a call that has begun.
pub enum Arriving<M> {
    /// It is here, or it is known why it will not be.
    Here(Result<M, Error>),
    /// It is on its way.
    Coming(Coming<M>),
}

impl<M> fmt::Debug for Arriving<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Here(Ok(_)) => "Here",
            Self::Here(Err(_)) => "Refused",
            Self::Coming(_) => "Coming",
        })
    }
}

/// Waits for messages, and calls the next service with them.
///
/// ```
/// use tower::{Layer, ServiceExt};
/// use user_info_layers::middleware::receive::{Arriving, ReceiveLayer};
/// use user_info_layers::{Call, Error, Kind};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let double = ReceiveLayer.layer(tower::service_fn(async |call: Call<u32>| Ok::<_, Error>(2 * call.message)));
/// let coming = Arriving::Coming(Box::pin(async { Ok(21) }));
/// assert_eq!(double.oneshot(Call::new(Kind::Grpc, "/op", coming)).await, Ok(42));
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ReceiveLayer;

impl<S> Layer<S> for ReceiveLayer {
    type Service = Receive<S>;

    fn layer(&self, inner: S) -> Receive<S> {
        Receive { inner: SharedService::new(inner) }
    }
}

/// Calls `S`, which has to be always ready, with messages once they are here.
#[derive(Debug)]
pub struct Receive<S> {
    inner: SharedService<S>,
}

impl<S> Clone for Receive<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<S, M> Service<Call<Arriving<M>>> for Receive<S>
where
    S: Service<Call<M>, Error = Error>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = ResponseFuture<S, S::Future, M>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<Arriving<M>>) -> Self::Future {
        let (call, message) = call.take_message();
        let state = match message {
            Arriving::Here(Ok(message)) => State::Reply { future: self.inner.call(call.with_message(message)) },
            Arriving::Here(Err(error)) => State::Failed { error: Some(error) },
            Arriving::Coming(coming) => State::Message { waiting: Some((self.inner.clone(), call)), coming },
        };
        ResponseFuture { state }
    }
}

pin_project! {
    /// Future of [`Receive`].
    pub struct ResponseFuture<S, F, M> {
        #[pin]
        state: State<S, F, M>,
    }
}

pin_project! {
    // What is waited for.
    #[project = Projected]
    enum State<S, F, M> {
        // The message; and what is called with it.
        Message { waiting: Option<(SharedService<S>, Call<()>)>, coming: Coming<M> },
        Reply { #[pin] future: F },
        // Nothing: the message was not there.
        Failed { error: Option<Error> },
    }
}

impl<S, M> Future for ResponseFuture<S, S::Future, M>
where
    S: Service<Call<M>, Error = Error>,
{
    type Output = Result<S::Response, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let future = match state.as_mut().project() {
                Projected::Reply { future } => return future.poll(cx),
                Projected::Failed { error } => return Poll::Ready(Err(error.take().unwrap_or(Error::UNKNOWN))),
                Projected::Message { waiting, coming } => {
                    let message = ready!(coming.as_mut().poll(cx))?;
                    let Some((inner, mut call)) = waiting.take() else { return Poll::Ready(Err(Error::UNKNOWN)) };
                    // The layers inside decide by when they see the call; how long it has taken is known outside.
                    call.received = Instant::now();
                    inner.call(call.with_message(message))
                }
            };
            state.set(State::Reply { future });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tower::ServiceExt;

    use super::*;
    use crate::Kind;

    fn echo() -> Receive<impl Service<Call<u32>, Response = (u32, Instant), Error = Error, Future: Send>> {
        ReceiveLayer.layer(tower::service_fn(async |call: Call<u32>| Ok((call.message, call.received))))
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_waits_for_its_message_and_is_received_when_that_is_here() {
        let (sender, receiver) = oneshot::channel();
        let coming = Arriving::Coming(Box::pin(async { receiver.await.map_err(|_| Error::UNKNOWN) }));
        let begun = Instant::now();
        let call = tokio::spawn(echo().oneshot(Call::new(Kind::Grpc, "/op", coming)));
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!call.is_finished());
        sender.send(7).expect("it waits");
        let (message, received) = call.await.expect("no panic").expect("a reply");
        assert_eq!((message, received - begun), (7, Duration::from_millis(300)));
    }

    #[tokio::test]
    async fn a_message_that_does_not_come_is_the_calls_error() {
        let coming = Arriving::Coming(Box::pin(async { Err(Error::TIMEOUT) }));
        assert_eq!(echo().oneshot(Call::new(Kind::Grpc, "/op", coming)).await, Err(Error::TIMEOUT));
        let refused = Arriving::Here(Err(Error::OVERLOADED));
        assert_eq!(echo().oneshot(Call::new(Kind::Grpc, "/op", refused)).await, Err(Error::OVERLOADED));
    }
}
