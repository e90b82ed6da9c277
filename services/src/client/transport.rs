//! Carries `GetUserInfo` over gRPC connections, and says of each failure what it means.

use std::error::Error as _;

use tokio::time::Instant;
use tonic::Status;
use user_info_proto::user_info_client::UserInfoClient;
use user_info_proto::{GetUserInfoReply, GetUserInfoRequest};

use super::connection::Connection;
use crate::balance::{Failure, Transport, Verdict};
use crate::{Call, Error};

/// Reason of an error that the client makes itself when an instance cannot be reached.
pub const UNREACHABLE: &str = "UNREACHABLE";

/// Sends `GetUserInfo` by gRPC, with the call's metadata and what is left of its time.
#[derive(Debug, Clone, Copy, Default)]
pub struct GetUserInfo;

impl Transport<GetUserInfoRequest> for GetUserInfo {
    type Link = Connection;
    type Reply = GetUserInfoReply;

    async fn send(&self, link: &Connection, call: &Call<GetUserInfoRequest>) -> Result<GetUserInfoReply, Failure> {
        let unreachable = |why: &str, verdict| {
            let instance = link.origin().authority().map_or("", |a| a.as_str());
            let mut error = Error::new(503, UNREACHABLE, "").with_message(format!("{instance}: {why}"));
            error.metadata.insert("instance".to_owned(), instance.to_owned());
            Failure { error, verdict }
        };
        let channel = link.channel().await.map_err(|why| unreachable(&why, Verdict::NotBegun))?;
        let number = channel.number;
        let request = call.to_grpc(Instant::now());
        let reply = UserInfoClient::with_origin(channel, link.origin().clone()).get_user_info(request).await;
        reply.map(tonic::Response::into_inner).map_err(|status| match cause(&status) {
            None => {
                let error = Error::from(&status);
                Failure { verdict: Verdict::Answered(error.code), error }
            }
            Some(cause) if not_begun(cause) => unreachable(&cause.to_string(), Verdict::NotBegun),
            Some(cause) => unreachable(&cause.to_string(), Verdict::Disconnected(number)),
        })
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

/// Whether the peer surely has not begun the call: it was never sent, or the peer refused the stream (RFC 9113, sections 6.8 and 8.7).
fn not_begun(error: &hyper::Error) -> bool {
    let refused = |e: &h2::Error| {
        e.is_remote()
            && match e.reason() {
                Some(h2::Reason::REFUSED_STREAM) => e.is_reset(),
                Some(h2::Reason::NO_ERROR) => e.is_go_away(),
                _ => false,
            }
    };
    error.is_canceled() || error.source().and_then(|e| e.downcast_ref()).is_some_and(refused)
}
