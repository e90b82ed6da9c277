//! What is doubtful about a certificate that can be used all the same: peers refuse it, but that may be what a test wants.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::oid::db::rfc5280::{ANY_EXTENDED_KEY_USAGE, ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH};
use x509_cert::ext::pkix::ExtendedKeyUsage;

/// What a certificate is shown for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// It is shown to callers.
    Server,
    /// It is shown to those who are called.
    Client,
}

/// Warns of what is doubtful in the file that `certFile` of `section` names.
pub(super) fn warn(section: &str, path: &Path, chain: &[CertificateDer<'_>], side: Side) {
    for doubt in of(chain, side, SystemTime::now()) {
        tracing::warn!(field = format!("{section}.certFile"), file = %path.display(), "{doubt}; peers will refuse it");
    }
}

/// What is doubtful about `chain` at that time: of each certificate its validity, of the first also what it may be used for.
fn of(chain: &[CertificateDer<'_>], side: Side, now: SystemTime) -> Vec<String> {
    let mut doubts = Vec::new();
    for (number, der) in (1..).zip(chain) {
        let name = if number == 1 { "the certificate".to_owned() } else { format!("certificate {number} of the file") };
        match Certificate::from_der(der) {
            Err(error) => doubts.push(format!("{name} cannot be read: {error}")),
            Ok(certificate) => {
                doubts.extend(validity(&certificate, now).map(|doubt| format!("{name} {doubt}")));
                if number == 1 {
                    doubts.extend(usage(&certificate, side).map(|doubt| format!("{name} {doubt}")));
                }
            }
        }
    }
    doubts
}

fn validity(certificate: &Certificate, now: SystemTime) -> Option<String> {
    let validity = &certificate.tbs_certificate.validity;
    let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let (begins, ends) = (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
    let seconds = |span: Duration| user_info_api::Duration::from_secs(span.as_secs());
    if now < begins {
        Some(format!("is not valid until {} from now", seconds(begins - now)))
    } else {
        (now > ends).then(|| format!("expired {} ago", seconds(now - ends)))
    }
}

fn usage(certificate: &Certificate, side: Side) -> Option<String> {
    let (needed, others): (ObjectIdentifier, _) = match side {
        Side::Server => (ID_KP_SERVER_AUTH, "is for other uses than a server's"),
        Side::Client => (ID_KP_CLIENT_AUTH, "is for other uses than a client's"),
    };
    let (_, ExtendedKeyUsage(uses)) = certificate.tbs_certificate.get::<ExtendedKeyUsage>().ok()??;
    (!uses.contains(&needed) && !uses.contains(&ANY_EXTENDED_KEY_USAGE)).then(|| format!("{others} (extendedKeyUsage)"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustls::pki_types::pem::PemObject;
    use user_info_testing::program::installed;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// A certificate that is valid for ten days from now on, for these uses if any are named.
    fn made(uses: Option<&str>) -> CertificateDer<'static> {
        let mut openssl = Command::new(installed("openssl"));
        openssl.args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 10 -subj /CN=test -keyout /dev/null".split(' '));
        if let Some(uses) = uses {
            openssl.args(["-addext", &format!("extendedKeyUsage={uses}")]);
        }
        let output = openssl.output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        CertificateDer::from_pem_slice(&output.stdout).expect("a certificate")
    }

    #[test]
    fn p7_a_certificate_is_doubtful_before_and_after_its_time() {
        let (chain, now) = ([made(None)], SystemTime::now());
        let doubts = |at| of(&chain, Side::Server, at);
        assert_eq!(doubts(now + DAY), Vec::<String>::new());
        let [early] = &doubts(now - 2 * DAY)[..] else { panic!("one doubt") };
        assert!(early.starts_with("the certificate is not valid until ") && early.ends_with(" from now"), "{early}");
        let [late] = &doubts(now + 12 * DAY)[..] else { panic!("one doubt") };
        assert!(late.starts_with("the certificate expired ") && late.ends_with(" ago"), "{late}");
    }

    #[test]
    fn p7_a_certificate_for_clients_is_doubtful_for_a_server() {
        let at = SystemTime::now() + DAY;
        for (uses, server, client) in [
            (None, 0, 0),
            (Some("serverAuth"), 0, 1),
            (Some("clientAuth"), 1, 0),
            (Some("serverAuth,clientAuth"), 0, 0),
            (Some("anyExtendedKeyUsage"), 0, 0),
            (Some("codeSigning"), 1, 1),
        ] {
            let chain = [made(uses)];
            let doubts = [Side::Server, Side::Client].map(|side| of(&chain, side, at).len());
            assert_eq!(doubts, [server, client], "{uses:?}");
        }
    }

    #[test]
    fn p7_the_whole_chain_is_looked_at() {
        let good = made(None);
        let broken = CertificateDer::from(good.as_ref()[..good.len() - 1].to_vec());
        let doubts = of(&[good.clone(), broken, good], Side::Server, SystemTime::now() + 12 * DAY);
        let begin = ["the certificate expired ", "certificate 2 of the file cannot be read: ", "certificate 3 of the file expired "];
        assert_eq!(doubts.len(), 3, "{doubts:?}");
        assert!(doubts.iter().zip(begin).all(|(doubt, begin)| doubt.starts_with(begin)), "{doubts:?}");
    }
}
