//! The service's own certificate authority, and the certificates it gives the server.
//!
//! Clients trust `ca.pem`; the key beside it, `ca.key`, signs a new certificate for the server at
//! each start, and again while it runs once the old one is a third of the way to its end. The
//! server's own key never touches the disk.
//!
//! The certificate library draws its keys from the operating system itself, not from the engine's
//! seed: keys that a test could predict must not be possible.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::files::{self, FileError};

/// For how many days the authority is good: people install it by hand.
const AUTHORITY_DAYS: i64 = 20 * 365;
/// For how many days a server certificate is good. Clients refuse more than 398.
const CERTIFICATE_DAYS: i64 = 90;
/// After how many days a server certificate is renewed.
const RENEW_AFTER_DAYS: i64 = CERTIFICATE_DAYS / 3;

/// Why certificates or keys could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The certificate library refused.
    #[error("a certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refused.
    #[error("the TLS configuration could not be made")]
    Config(#[from] rustls::Error),
}

/// The certificate authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Opens the authority of this data directory, or makes one.
    ///
    /// Where one of its two files is missing, both are made anew: a certificate without its key
    /// signs nothing, and a key without its certificate is trusted by nobody.
    pub(crate) fn open(data_dir: &Path, now: Timestamp) -> Result<Self, TlsError> {
        let (pem_path, key_path) = (data_dir.join("ca.pem"), data_dir.join("ca.key"));
        let (pem, key) = (files::read(&pem_path)?, files::read(&key_path)?);
        if let (Some(_), Some(key)) = (pem, key) {
            let unusable = || FileError::Unusable {
                path: key_path.clone(),
                expected: "the key of the service's certificate authority",
            };
            let text = String::from_utf8(key).map_err(|_| unusable())?;
            let key = KeyPair::from_pem(&text).map_err(|_| unusable())?;
            let params = authority_params(&key, now);
            return Ok(Self { issuer: Issuer::new(params, key) });
        }
        let key = KeyPair::generate()?;
        let params = authority_params(&key, now);
        let certificate = params.self_signed(&key)?;
        files::write(&key_path, key.serialize_pem().as_bytes())?;
        files::write(&pem_path, certificate.pem().as_bytes())?;
        Ok(Self { issuer: Issuer::new(params, key) })
    }

    /// A server's configuration with a new certificate and key for these names.
    pub(crate) fn server_config(
        &self,
        names: &[SanType],
        now: Timestamp,
    ) -> Result<Arc<ServerConfig>, TlsError> {
        let key = KeyPair::generate()?;
        let certificate = server_params(names, now).signed_by(&key, &self.issuer)?;
        let chain = vec![certificate.der().clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// Whether a server certificate made at `made_at` should be renewed.
pub(crate) fn is_due(made_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(made_at).as_hours() >= RENEW_AFTER_DAYS * 24
}

/// The names a server at this address goes by: always the local ones, the machine's own, and the
/// address itself where it is a particular one.
pub(crate) fn names(address: SocketAddr) -> Vec<SanType> {
    let mut names = vec![
        SanType::DnsName("localhost".try_into().expect("ASCII")),
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    let ip = address.ip();
    if !ip.is_loopback() && !ip.is_unspecified() {
        names.push(SanType::IpAddress(ip));
    }
    if let Some(name) = host_name().and_then(|name| name.try_into().ok()) {
        names.push(SanType::DnsName(name));
    }
    names
}

/// The machine's name, if it can stand in a certificate.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?.trim().to_lowercase();
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let usable = !name.is_empty() && name.len() <= 253 && name.chars().all(allowed);
    (usable && name != "localhost").then_some(name)
}

/// The authority's certificate follows from its key but for the dates: so the key alone is enough
/// to sign with. Its name is its own, so that one machine can trust several authorities.
fn authority_params(key: &KeyPair, now: Timestamp) -> CertificateParams {
    let digest = digest::digest(&digest::SHA256, key.public_key_raw());
    let short: String = digest.as_ref()[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    let mut params = params(&format!("Holdfast CA {short}"), now, AUTHORITY_DAYS);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn server_params(names: &[SanType], now: Timestamp) -> CertificateParams {
    let mut params = params("localhost", now, CERTIFICATE_DAYS);
    params.subject_alt_names = names.to_vec();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

/// A certificate from the day before `now`, because clocks differ, for so many days.
fn params(name: &str, now: Timestamp, days: i64) -> CertificateParams {
    let day = |offset: i64| {
        let date = now.to_zoned(TimeZone::UTC).date().saturating_add(offset.days());
        let part = |part: i8| u8::try_from(part).expect("months and days are positive");
        rcgen::date_time_ymd(date.year().into(), part(date.month()), part(date.day()))
    };
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, name);
    let mut params = CertificateParams::default();
    params.not_before = day(-1);
    params.not_after = day(days);
    params.distinguished_name = distinguished_name;
    params
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn now() -> Timestamp {
        "2026-09-14T08:00:00Z".parse().expect("a timestamp")
    }

    fn bytes(dir: &Path, name: &str) -> Vec<u8> {
        std::fs::read(dir.join(name)).expect("it is there")
    }

    #[test]
    fn the_authority_is_made_once_and_again_only_where_a_part_is_lost() {
        let dir = tempfile::tempdir().expect("a directory");
        Authority::open(dir.path(), now()).expect("made");
        let (pem, key) = (bytes(dir.path(), "ca.pem"), bytes(dir.path(), "ca.key"));
        Authority::open(dir.path(), now()).expect("opened");
        assert_eq!((bytes(dir.path(), "ca.pem"), bytes(dir.path(), "ca.key")), (pem.clone(), key));

        std::fs::remove_file(dir.path().join("ca.key")).expect("removed");
        Authority::open(dir.path(), now()).expect("made anew");
        assert_ne!(bytes(dir.path(), "ca.pem"), pem);
    }

    #[test]
    fn a_broken_key_is_told_and_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        Authority::open(dir.path(), now()).expect("made");
        std::fs::write(dir.path().join("ca.key"), "garbage").expect("written");
        let error = Authority::open(dir.path(), now()).err().expect("broken");
        assert!(error.to_string().contains("ca.key"), "{error}");
        assert_eq!(bytes(dir.path(), "ca.key"), b"garbage");
    }

    #[test]
    fn both_files_are_private() {
        let dir = tempfile::tempdir().expect("a directory");
        Authority::open(dir.path(), now()).expect("made");
        for name in ["ca.pem", "ca.key"] {
            let mode = std::fs::metadata(dir.path().join(name)).expect("there").permissions();
            assert_eq!(mode.mode() & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_certificate_is_renewed_long_before_its_end() {
        let later = |days: i64| now() + (days * 24).hours();
        assert!(!is_due(now(), later(RENEW_AFTER_DAYS - 1)));
        assert!(is_due(now(), later(RENEW_AFTER_DAYS)));
        const { assert!(RENEW_AFTER_DAYS * 2 < CERTIFICATE_DAYS) };
    }
}
