//! Digests, which fit into a label.

use sha2::{Digest, Sha256};

/// Digest of a sequence of parts, each of which counts by itself: 40 hexadecimal digits.
pub fn digest_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart() {
        assert_ne!(digest_of([b"ab".as_slice(), b"c"]), digest_of([b"a".as_slice(), b"bc"]));
        assert_eq!(digest_of([b"ab".as_slice()]).len(), 40);
    }
}
