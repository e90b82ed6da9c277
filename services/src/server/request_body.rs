//! The body of a gRPC request: what it announces counts from when it is announced, and it has to come in time.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use pin_project_lite::pin_project;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use user_info_layers::Error;
use user_info_layers::error::reason;
use user_info_layers::ticker::Alarm;

use super::capacity::{Capacity, Reservation};

/// Length of what precedes a message: a flag and its length, in bytes.
const PREFIX: usize = 5;
/// A message up to this length is not counted: `GetUserInfo` has 11 bytes.
const FREE: usize = 1024;
/// A longer message is refused by tonic, which makes no room for it.
const LONGEST: usize = 4 << 20;

/// What has to be there in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// The first message; whoever sent that may take time for more.
    FirstMessage,
    /// All of it.
    End,
}

pin_project! {
    /// Counts the messages in `body` by the lengths that they announce, as tonic's decoder makes room for a whole message then.
    #[derive(Debug)]
    pub(super) struct Metered<B> {
        #[pin]
        body: B,
        capacity: Capacity,
        framing: Framing,
        reserved: Option<Reservation>,
        limit: Option<(Alarm, Until)>,
    }
}

impl<B> Metered<B> {
    /// Counts in `capacity`.
    pub(super) const fn new(body: B, capacity: Capacity) -> Self {
        Self { body, capacity, framing: Framing::new(), reserved: None, limit: None }
    }

    /// The same, and it fails with 504 TIMEOUT unless what `until` says is there when `alarm` goes off.
    pub(super) fn until(mut self, until: Until, alarm: Alarm) -> Self {
        self.limit = Some((alarm, until));
        self
    }
}

impl<B: Body<Data = Bytes>> Body for Metered<B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut this = self.project();
        match this.body.as_mut().poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let before = this.framing.longest;
                frame.data_ref().into_iter().for_each(|data| this.framing.read(data));
                let announced = this.framing.longest;
                if announced > before && announced > FREE {
                    *this.reserved = None;
                    *this.reserved = this.capacity.bytes(announced);
                    if this.reserved.is_none() {
                        return Poll::Ready(Some(Err(Error::OVERLOADED.into())));
                    }
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(gone()))),
            // Reset by the caller, without an error.
            Poll::Ready(None) if !this.body.is_end_stream() => Poll::Ready(Some(Err(gone()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => match this.limit {
                Some((alarm, until)) if *until == Until::End || this.framing.messages == 0 => {
                    alarm.poll_elapsed(cx).map(|()| Some(Err(Error::TIMEOUT.into())))
                }
                _ => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        // As long as it is not known why it ended.
        false
    }
}

/// Says that the caller is gone. Nobody reads it; its code must not be Cancelled, which tonic takes for the end of the messages.
fn gone() -> Status {
    let exact = [("code".to_owned(), "499".to_owned())];
    let details = ErrorDetails::with_error_info(reason::CANCELED, "", exact);
    Status::with_error_details(Code::Unavailable, "the caller is gone", details)
}

/// Where in a sequence of messages, each behind its length, a stream of bytes is.
#[derive(Debug, Default)]
struct Framing {
    prefix: [u8; PREFIX],
    /// How much of it is there.
    known: usize,
    /// What is missing of the message.
    missing: usize,
    /// Whole messages seen.
    messages: usize,
    /// Greatest length announced that a message may have.
    longest: usize,
}

impl Framing {
    const fn new() -> Self {
        Self { prefix: [0; PREFIX], known: 0, missing: 0, messages: 0, longest: 0 }
    }

    fn read(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            if self.known < PREFIX {
                let taken = data.len().min(PREFIX - self.known);
                self.prefix[self.known..self.known + taken].copy_from_slice(&data[..taken]);
                self.known += taken;
                data = &data[taken..];
                if self.known < PREFIX {
                    return;
                }
                let [_, length @ ..] = self.prefix;
                self.missing = u32::from_be_bytes(length) as usize;
                if self.missing <= LONGEST {
                    self.longest = self.longest.max(self.missing);
                }
            }
            let taken = data.len().min(self.missing);
            self.missing -= taken;
            data = &data[taken..];
            if self.missing == 0 {
                self.messages += 1;
                self.known = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests;
