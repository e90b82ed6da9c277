//! Private keys, and words for those that cannot be used.

use std::path::Path;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use super::{TlsError, provider};

/// What can be used.
const EXPECTED: &str = "a private key that is not encrypted: RSA of 2048 to 4096 bits, ECDSA on P-256 or P-384, or Ed25519";
/// Marks of what is no key that can be read, and what they mean.
const SECTIONS: [(&str, &str); 5] = [
    ("BEGIN ENCRYPTED PRIVATE KEY", ENCRYPTED),
    ("Proc-Type: 4,ENCRYPTED", ENCRYPTED),
    ("BEGIN OPENSSH PRIVATE KEY", "the key is in a format of OpenSSH's own"),
    ("BEGIN PUBLIC KEY", "holds a public key"),
    ("BEGIN CERTIFICATE", "holds a certificate and no key"),
];
const ENCRYPTED: &str = "the key is encrypted, and nobody is there to type its password; `openssl pkey` writes it without";
/// Algorithms and curves by their object identifiers in DER, the curves first: EC keys of all curves share one for the algorithm.
const ALGORITHMS: [(&[u8], &str); 11] = [
    (b"\x06\x05\x2b\x81\x04\x00\x23", "on the curve P-521"),
    (b"\x06\x05\x2b\x81\x04\x00\x21", "on the curve P-224"),
    (b"\x06\x05\x2b\x81\x04\x00\x0a", "on the curve secp256k1"),
    (b"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01", "on a Brainpool curve"),
    (b"\x06\x07\x2a\x86\x48\xce\x38\x04\x01", "for DSA"),
    (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", "for RSA-PSS alone"),
    (RSA, WRONG_SIZE),
    (b"\x06\x03\x2b\x65\x71", "for Ed448"),
    (b"\x06\x03\x2b\x65\x6e", "for X25519, which signs nothing"),
    (b"\x06\x03\x2b\x65\x6f", "for X448, which signs nothing"),
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01", "on a curve that is not supported, or damaged"),
];
const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
const WRONG_SIZE: &str = "for RSA, but too short or too long";

/// Reads the key in the file that `keyFile` of `section` names.
///
/// # Errors
/// If it holds no key that can be used.
pub(super) fn read(section: &str, path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let refused = |problem| TlsError::file(section, "keyFile", path, problem, EXPECTED);
    let text = std::fs::read(path).map_err(|error| refused(format!("cannot be read: {error}")))?;
    let key =
        PrivateKeyDer::from_pem_slice(&text).map_err(|error| refused(unread(&text).map_or_else(|| error.to_string(), str::to_owned)))?;
    match provider().key_provider.load_private_key(key.clone_key()) {
        Ok(_) => Ok(key),
        Err(_) => Err(refused(unsupported(&key))),
    }
}

/// Why no key is found in `text`.
fn unread(text: &[u8]) -> Option<&'static str> {
    let section = SECTIONS.iter().find(|(mark, _)| contains(text, mark.as_bytes())).map(|(_, meaning)| *meaning);
    section.or(match text.first() {
        None => Some("is empty"),
        // What all keys and certificates in DER begin with: a sequence.
        Some(0x30) => Some("is DER, not PEM; `openssl pkey` converts it"),
        Some(_) if !contains(text, b"-----BEGIN ") => Some("holds no PEM"),
        Some(_) => None,
    })
}

/// Why a key that was found is of no use.
fn unsupported(key: &PrivateKeyDer<'_>) -> String {
    let known = ALGORITHMS.iter().find(|(id, _)| contains(key.secret_der(), id)).map(|(_, name)| *name);
    let known = if matches!(key, PrivateKeyDer::Pkcs1(_)) { Some(WRONG_SIZE) } else { known };
    known.map_or_else(|| "the key is damaged, or of a kind that is not supported".to_owned(), |name| format!("the key is {name}"))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;

    use user_info_testing::program::installed;

    use super::*;

    /// A key that openssl makes when told so.
    fn made(dir: &Path, arguments: &str) -> PathBuf {
        let path = dir.join("tls.key");
        let output = Command::new(installed("openssl")).args(arguments.split(' ')).arg("-out").arg(&path).output().expect("it runs");
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        path
    }

    #[test]
    fn p7_keys_that_are_listed_as_supported_are_read() {
        let dir = tempfile::tempdir().expect("a folder");
        for arguments in [
            "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048",
            "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4096",
            "genrsa -traditional",
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384",
            "ecparam -name prime256v1 -genkey -noout",
            "ecparam -name secp384r1 -genkey",
            "genpkey -algorithm ED25519",
        ] {
            if let Err(error) = read("tls", &made(dir.path(), arguments)) {
                panic!("{arguments}: {error}");
            }
        }
    }

    #[test]
    fn p7_keys_that_cannot_be_used_are_named() {
        let dir = tempfile::tempdir().expect("a folder");
        for (arguments, said) in [
            ("genpkey -algorithm ED25519 -aes256 -pass pass:secret", "the key is encrypted, "),
            ("genrsa -traditional -aes256 -passout pass:secret", "the key is encrypted, "),
            ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521", "the key is on the curve P-521; give "),
            ("ecparam -name secp521r1 -genkey -noout", "the key is on the curve P-521; give "),
            ("ecparam -name secp224r1 -genkey -noout", "the key is on the curve P-224; give "),
            ("ecparam -name secp256k1 -genkey -noout", "the key is on the curve secp256k1; give "),
            ("ecparam -name brainpoolP256r1 -genkey -noout", "the key is on a Brainpool curve; give "),
            ("genpkey -algorithm ED448", "the key is for Ed448; give "),
            ("genpkey -algorithm X25519", "the key is for X25519, which signs nothing; give "),
            ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024", "the key is for RSA, but too short or too long; give "),
            ("genpkey -algorithm ED25519 -outform DER", "is DER, not PEM; "),
        ] {
            let path = made(dir.path(), arguments);
            let error = read("tls", &path).err().unwrap_or_else(|| panic!("{arguments}: read")).to_string();
            assert!(error.starts_with(&format!("tls.keyFile: {}: {said}", path.display())), "{arguments}: {error}");
            assert!(error.ends_with("RSA of 2048 to 4096 bits, ECDSA on P-256 or P-384, or Ed25519"), "{error}");
        }
    }

    #[test]
    fn p7_files_without_a_key_are_described() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("tls.key");
        for (text, said) in [
            ("", "is empty"),
            ("secret", "holds no PEM"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds a certificate and no key"),
            ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "holds a public key"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "the key is in a format of OpenSSH's own"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "the key is damaged, or of a kind that is not supported"),
        ] {
            std::fs::write(&path, text).expect("written");
            let error = read("tls", &path).err().unwrap_or_else(|| panic!("{said}: read")).to_string();
            assert_eq!(error, format!("tls.keyFile: {}: {said}; give a PEM file with {EXPECTED}", path.display()));
        }
    }
}
