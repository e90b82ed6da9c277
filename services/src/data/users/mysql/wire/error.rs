//! Why a connection or a query failed.

use std::io;

/// Why a connection or a query failed.
#[derive(Debug, thiserror::Error)]
pub(in crate::data) enum Error {
    /// The server says no.
    #[error("{message}")]
    Server {
        /// MySQL's number of the error.
        number: u16,
        /// SQLSTATE; empty before the login.
        state: String,
        /// The server's own words.
        message: String,
    },
    /// The connection broke or could not be made.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The server has no TLS.
    #[error("the server offers no TLS")]
    NoTls,
    /// The method of authentication sends the password itself, and nothing hides it.
    #[error("the server asks for the password over TLS")]
    NeedsTls,
    /// The method of authentication gives the password away, and nobody knows to whom.
    #[error("the server asks for the password in clear text")]
    NeedsTrust,
    /// The method of authentication is not known.
    #[error("the server authenticates the user by {0}, which is not supported")]
    Method(String),
    /// What was received is not what a MySQL server sends.
    #[error("{0}")]
    Protocol(&'static str),
    /// A row has an id that is no whole number.
    #[error("the column id holds {0:?}, which is no whole number")]
    Id(String),
}

impl Error {
    /// The server's number of the error.
    pub(in crate::data) const fn number(&self) -> Option<u16> {
        match self {
            Self::Server { number, .. } => Some(*number),
            _ => None,
        }
    }

    /// Whether the connection is fine after it. Not so if the server is about to close it: shutdown (1053), killed (1927, 3169), idle for too
    /// long (4031), or class 08 of SQLSTATE.
    pub(in crate::data) fn keeps_connection(&self) -> bool {
        match self {
            Self::Server { number, state, .. } => !matches!(number, 1053 | 1927 | 3169 | 4031) && !state.starts_with("08"),
            Self::Id(_) => true,
            _ => false,
        }
    }
}
