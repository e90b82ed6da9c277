//! Certificates, laid out as the kubelet mounts a Secret: a link is moved from one folder of files to the next.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SerialNumber};

/// When every certificate ends, in seconds since 1970: the first moment of 2090.
pub const ENDS: u64 = 3_786_912_000;

/// An authority, whose certificate is `ca.crt` of its folder.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: PathBuf,
    written: AtomicU64,
}

impl Authority {
    /// Makes one in this folder.
    pub fn new(dir: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = rcgen::date_time_ymd(2099, 1, 1);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
        std::fs::write(dir.join("ca.crt"), issuer.pem()).expect("written");
        Self { issuer, dir: dir.to_owned(), written: AtomicU64::new(0) }
    }

    /// Puts a certificate for `localhost` with this serial number, and its key, into the folder `name`, in one step.
    pub fn issue(&self, name: &str, serial: u64) {
        let (certificate, key) = self.pair(serial);
        self.put(name, &certificate, &key);
    }

    /// The same, but with a key that is another one's.
    pub fn issue_mismatched(&self, name: &str) {
        let ((certificate, _), (_, key)) = (self.pair(1000), self.pair(1001));
        self.put(name, &certificate, &key);
    }

    fn pair(&self, serial: u64) -> (String, String) {
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        params.serial_number = Some(SerialNumber::from(serial));
        // OpenSSL takes what is issued under the issuer's own name for its own authority.
        params.distinguished_name.push(DnType::CommonName, "localhost");
        params.not_after = rcgen::date_time_ymd(2090, 1, 1);
        let key = KeyPair::generate().expect("a key");
        (params.signed_by(&key, &self.issuer).expect("signed").pem(), key.serialize_pem())
    }

    fn put(&self, name: &str, certificate: &str, key: &str) {
        let folder = self.dir.join(name);
        let version = format!("..{}", self.written.fetch_add(1, Relaxed));
        std::fs::create_dir_all(folder.join(&version)).expect("made");
        for (file, text) in [("tls.crt", certificate), ("tls.key", key)] {
            std::fs::write(folder.join(&version).join(file), text).expect("written");
            let _ = std::os::unix::fs::symlink(format!("..data/{file}"), folder.join(file));
        }
        std::os::unix::fs::symlink(&version, folder.join("..data_tmp")).expect("linked");
        std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("moved");
    }
}
