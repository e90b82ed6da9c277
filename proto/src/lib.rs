//! The user-info protocol: message types, gRPC client and server, and the descriptor set for reflection.

#[expect(
    unused_qualifications,
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated from the .proto file, whose comments document the items"
)]
mod generated {
    tonic::include_proto!("api.user_info");
}

pub use generated::*;

/// The encoded `FileDescriptorSet` of the protocol, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Full method name of `GetUserInfo`: the `operation` of metrics, logs and the breaker, for gRPC and HTTP alike.
pub const GET_USER_INFO: &str = "/api.user_info.UserInfo/GetUserInfo";
