//! What `GetUserInfo` does.

use std::sync::Arc;

use tower::Service;
use user_info_layers::{Call, Error};
use user_info_proto::{GetUserInfoReply, GetUserInfoRequest, User};

use crate::data::Data;
use crate::error;

/// Answers from `data`, in the name of `ip_addr`: the advertised gRPC address, by which callers tell instances apart.
pub fn handler(
    data: Data,
    ip_addr: Arc<str>,
) -> impl Service<Call<GetUserInfoRequest>, Response = GetUserInfoReply, Error = Error, Future: Send> + Clone + Send + Sync + 'static {
    let shared = Arc::new((data, ip_addr));
    tower::service_fn(move |call: Call<GetUserInfoRequest>| {
        let shared = Arc::clone(&shared);
        async move {
            let (data, ip_addr) = &*shared;
            let (user, visits) = data.get(call.message.user_id).await?.ok_or(error::USER_NOT_FOUND)?;
            // `ip` is never filled, as in the Go demo
            let user = User { user_id: user.id, name: user.name, ip: String::new(), email: user.email, visits };
            Ok(GetUserInfoReply { user: Some(user), ip_addr: ip_addr.as_ref().to_owned() })
        }
    })
}
