//! What a connection knows of its protocol.

use std::io::Error;

/// How calls look on the wire.
pub(super) trait Wire {
    /// What is sent before the first call.
    fn open(&mut self, output: &mut Vec<u8>);

    /// Appends a call for `user` to `output`. The number of the call is what [`reply`](Self::reply) knows it by.
    fn call(&mut self, user: i64, output: &mut Vec<u8>) -> u32;

    /// Takes the first whole piece off `input` and answers to `output` what has to be answered: how long the piece is, `None` if there is no
    /// whole one, and the number of the call and its user if the piece ended one.
    fn reply(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<Option<(usize, Option<Reply>)>, Error>;
}

/// A reply that has come as a whole.
pub(super) struct Reply {
    /// The number of the call.
    pub call: u32,
    /// Whom it is about.
    pub user: i64,
}
