//! Why the processes cannot be brought to what a spec asks for.

use user_info_api::crd::LoadError;

use super::NoPort;

/// Why the processes cannot be brought to what a spec asks for.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// No port is free.
    #[error(transparent)]
    NoPort(#[from] NoPort),
    /// The services would refuse their settings.
    #[error(transparent)]
    Refused(#[from] LoadError),
}
