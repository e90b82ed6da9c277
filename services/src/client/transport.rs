//! Carries `GetUserInfo` over gRPC connections, and says of each failure what it means.

use std::error::Error as _;

use tokio::time::Instant;
use tonic::Status;
use user_info_layers::balance::{CallOutcome, Failure, Transport};
use user_info_layers::middleware::spans::Sent;
use user_info_layers::{Call, Error};
use user_info_proto::user_info_client::UserInfoClient;
use user_info_proto::{GetUserInfoReply, GetUserInfoRequest};

use super::connection::{InstanceConnection, Unconnected, words};
use crate::error::reason::UNREACHABLE;

/// Largest reply that is read, in bytes: a name and an address of e-mail, with room to spare. Each call in flight may hold one.
const MAX_REPLY: usize = 256 << 10;

/// Sends `GetUserInfo` by gRPC, with the call's metadata and what is left of its time.
#[derive(Debug, Clone, Copy, Default)]
pub struct GetUserInfo;

impl Transport<GetUserInfoRequest> for GetUserInfo {
    type Connection = InstanceConnection;
    type Reply = GetUserInfoReply;

    async fn send(&self, to: &InstanceConnection, call: &Call<GetUserInfoRequest>) -> Result<GetUserInfoReply, Failure> {
        let unreachable = |why: &str, outcome| {
            let instance = to.origin().authority().map_or("", |a| a.as_str());
            let mut error = Error::new(503, UNREACHABLE, "").with_message(format!("{instance}: {why}"));
            error.metadata.insert("instance".to_owned(), instance.to_owned());
            Failure { error, outcome }
        };
        let channel = to.channel().await.map_err(|unconnected| {
            let outcome = if unconnected == Unconnected::Ended { CallOutcome::ConnectionEnded } else { CallOutcome::NotBegun };
            unreachable(&unconnected.to_string(), outcome)
        })?;
        let sent = Sent::of(call);
        if let Some(sent) = sent {
            sent.to(to.origin().authority().map_or("", |a| a.as_str()));
        }
        let number = channel.number;
        let request = call.to_grpc(Instant::now());
        let mut client = UserInfoClient::with_origin(channel, to.origin().clone()).max_decoding_message_size(MAX_REPLY);
        let reply = client.get_user_info(request).await;
        let result = reply.map(tonic::Response::into_inner).map_err(|status| match cause(&status) {
            None => {
                if let Some(sent) = sent {
                    sent.answered(status.code());
                }
                Failure::answered(Error::from(&status))
            }
            Some(cause) => unreachable(&words(cause), outcome(cause, number)),
        });
        if !matches!(
            &result,
            Err(Failure { outcome: CallOutcome::ConnectionEnded | CallOutcome::NotBegun | CallOutcome::Disconnected(_), .. })
        ) {
            to.answered(number);
        }
        result
    }
}

/// The connection's error behind a status; none if the peer sent the status.
fn cause(status: &Status) -> Option<&hyper::Error> {
    let mut next = status.source();
    while let Some(error) = next {
        if let Some(cause) = error.downcast_ref() {
            return Some(cause);
        }
        next = error.source();
    }
    None
}

/// What an error of the connection of this `number` says about a call over it. It was surely not begun if it was never sent whole, or if the
/// peer refused its stream or left it out when it announced the connection's end (RFC 9113, sections 6.8 and 8.7).
fn outcome(error: &hyper::Error, number: u64) -> CallOutcome {
    // Hyper gives back what it has not sent: as canceled, or as the user's own fault if it was next to be sent.
    if error.is_canceled() || error.is_user() {
        return CallOutcome::ConnectionEnded;
    }
    match error.source().and_then(|e| e.downcast_ref::<h2::Error>()).filter(|e| e.is_remote()) {
        // Calls that the peer has begun outlive the announcement, and do not end with this error.
        Some(e) if e.is_go_away() => CallOutcome::ConnectionEnded,
        Some(e) if e.is_reset() && e.reason() == Some(h2::Reason::REFUSED_STREAM) => CallOutcome::NotBegun,
        _ => CallOutcome::Disconnected(number),
    }
}
