//! What a person writes and what the services read: configuration types, one documented struct a subsystem, and (feature `crd`) the
//! `UserInfoDeployment` resource with its rules and its rendering into service configurations.

pub mod address;
pub mod config;
#[cfg(feature = "crd")]
pub mod crd;
mod duration;
mod exit;
pub mod limits;
#[cfg(feature = "log")]
pub mod log_quota;
#[cfg(feature = "crd")]
pub mod render;
#[cfg(feature = "watch")]
pub mod watch;

pub use duration::Duration;
pub use exit::Exit;
