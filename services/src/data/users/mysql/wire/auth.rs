//! Proofs that the client knows the password.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use super::error::Error;

/// How a user is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// `mysql_native_password`: the default of MariaDB and of MySQL before 8.
    Native,
    /// `caching_sha2_password`: the default of MySQL since 8.
    CachingSha2,
    /// `sha256_password`.
    Sha256,
    /// `mysql_clear_password`: tokens of clouds, and directories.
    Clear,
}

/// What the password may be sent over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Privacy {
    /// Everybody on the way reads it.
    None,
    /// Only the other end reads it, whoever that is.
    Encrypted,
    /// Only the server reads it.
    Trusted,
}

impl Method {
    const ALL: [Self; 4] = [Self::Native, Self::CachingSha2, Self::Sha256, Self::Clear];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
            Self::Sha256 => "sha256_password",
            Self::Clear => "mysql_clear_password",
        }
    }

    /// What is sent first. Without a password, nothing.
    pub(super) fn proof(self, password: &str, nonce: &[u8], privacy: Privacy) -> Result<Vec<u8>, Error> {
        if password.is_empty() {
            return Ok(Vec::new());
        }
        match self {
            Self::Native => Ok(native(password.as_bytes(), nonce).to_vec()),
            Self::CachingSha2 => Ok(sha256(password.as_bytes(), nonce).to_vec()),
            Self::Sha256 => itself(password, privacy),
            // Whoever poses as the server could ask for it.
            Self::Clear if privacy == Privacy::Trusted => itself(password, privacy),
            Self::Clear => Err(Error::NeedsTrust),
        }
    }
}

/// The password itself, where nobody on the way sees it.
pub(super) fn itself(password: &str, privacy: Privacy) -> Result<Vec<u8>, Error> {
    if privacy == Privacy::None { Err(Error::NeedsTls) } else { Ok([password.as_bytes(), &[0]].concat()) }
}

/// `SHA1(password) ^ SHA1(nonce, SHA1(SHA1(password)))`
fn native(password: &[u8], nonce: &[u8]) -> [u8; 20] {
    let sha1 = |data: &[u8]| digest(&SHA1_FOR_LEGACY_USE_ONLY, data);
    let once = sha1(password);
    let mut mixed = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    mixed.update(nonce);
    mixed.update(sha1(once.as_ref()).as_ref());
    xor(once.as_ref(), mixed.finish().as_ref())
}

/// `SHA256(password) ^ SHA256(SHA256(SHA256(password)), nonce)`
fn sha256(password: &[u8], nonce: &[u8]) -> [u8; 32] {
    let once = digest(&SHA256, password);
    let mut mixed = Context::new(&SHA256);
    mixed.update(digest(&SHA256, once.as_ref()).as_ref());
    mixed.update(nonce);
    xor(once.as_ref(), mixed.finish().as_ref())
}

fn xor<const N: usize>(a: &[u8], b: &[u8]) -> [u8; N] {
    std::array::from_fn(|i| a[i] ^ b[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: [u8; 20] = [10, 47, 74, 111, 75, 73, 34, 48, 88, 76, 114, 74, 37, 13, 3, 80, 82, 23, 2, 21];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Values of an independent implementation (Python's hashlib).
    #[test]
    fn proofs_are_as_the_manual_says() {
        let proof = |method: Method| hex(&method.proof("secret", &NONCE, Privacy::None).expect("needs no TLS"));
        assert_eq!(proof(Method::CachingSha2), "6fc17502c059de9ffc5d6d7b533d7618d047077209685ccc9a3cb930bc60f58f");
        assert_eq!(proof(Method::Native), "a2e3310bce8c6212279701b4c9d25cbc03b67931");
    }

    #[test]
    fn a_password_is_sent_where_only_the_right_ones_read_it() {
        let sent =
            |method: Method, privacy| method.proof("secret", &NONCE, privacy).map(|proof| proof == b"secret\0").map_err(|e| e.to_string());
        let needs_tls = Err("the server asks for the password over TLS".to_owned());
        let needs_trust = Err("the server asks for the password in clear text".to_owned());
        assert_eq!([Privacy::None, Privacy::Encrypted, Privacy::Trusted].map(|p| sent(Method::Sha256, p)), [needs_tls, Ok(true), Ok(true)]);
        let clear = [Privacy::None, Privacy::Encrypted, Privacy::Trusted].map(|p| sent(Method::Clear, p));
        assert_eq!(clear, [needs_trust.clone(), needs_trust, Ok(true)]);
        for method in Method::ALL {
            assert_eq!(method.proof("", &NONCE, Privacy::None).expect("nothing to hide"), b"");
            assert_eq!(Method::named(method.name()), Some(method));
        }
    }
}
