//! What a request that edits the spec must know.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use serde::Serialize;

/// Carries the token.
pub(super) const HEADER: &str = "x-user-info-token";

/// A secret of this run that only pages of this origin can read, so that no other site can make a browser edit the spec.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Token(Arc<str>);

impl Token {
    /// A fresh token with 256 bits from the operating system.
    ///
    /// # Errors
    /// If the system's source of randomness cannot be read.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0; 32];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self(bytes.iter().map(|b| format!("{b:02x}")).collect::<String>().into()))
    }

    /// The token as the header `x-user-info-token` carries it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `given` is the token; takes equally long wherever the two differ.
    pub(super) fn is(&self, given: &[u8]) -> bool {
        let known = self.0.as_bytes();
        known.len() == given.len() && known.iter().zip(given).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_long_and_never_the_same() {
        let (one, other) = (Token::random().unwrap(), Token::random().unwrap());
        assert_eq!(one.as_str().len(), 64);
        assert!(one.is(one.as_str().as_bytes()));
        assert!(!one.is(other.as_str().as_bytes()) && !one.is(b""));
        assert_eq!(format!("{one:?}"), "Token(..)");
    }
}
