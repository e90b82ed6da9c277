//! Why the system cannot start.

use std::path::PathBuf;

use user_info_api::Exit;

use crate::supervisor::ApplyError;

/// Why the system cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The file cannot be used: a line for each thing that is wrong.
    #[error("{0}")]
    Spec(String),
    /// A program of the services is not where it should be.
    #[error("{}: not found; build it with `cargo build --bins`, or name its folder with --programs", .0.display())]
    NoProgram(PathBuf),
    /// The embedded store of users cannot be made.
    #[error("the embedded store of users cannot be made: {0}")]
    Store(String),
    /// The system refuses something.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The processes cannot be started.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

impl RunError {
    /// Exit code: 64 if the file has to be changed, 69 if something is missing.
    pub const fn exit_code(&self) -> u8 {
        (if matches!(self, Self::Spec(_) | Self::Apply(ApplyError::Refused(_))) { Exit::Usage } else { Exit::Unavailable }).code()
    }

    /// An error of the system while `what` was tried.
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }
}
