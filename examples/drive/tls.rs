//! TLS from files: who we are, and whom we trust. Nothing of the system's own trust is used.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// Whose certificates are good.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trust {
    /// Nobody's: there is no TLS.
    #[default]
    Nobody,
    /// Those of the authorities in this PEM file, for the name that is called, while they are valid.
    Authorities(PathBuf),
    //= docs/spec/face-record-push.md#destination
    //# The receiver SHOULD pin the public key of a terminal's certificate, whose name and dates
    //# can never pass.
    /// Those with one of these public keys, whatever name and dates they bear: terminals sign their
    /// own.
    Keys(Vec<KeyPin>),
    /// Anyone's: no eavesdropper reads along, but any impostor does.
    Anybody,
}

/// SHA-256 of a certificate's `SubjectPublicKeyInfo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyPin(pub [u8; 32]);

/// TLS cannot be set up with these files.
#[derive(Debug)]
pub struct TlsError(String);

/// What is spoken within TLS, as both sides name it to each other: HTTP/1.1.
pub const HTTP: &[&str] = &["http/1.1"];
/// What is spoken is not named; whoever asks for MQTT knows that it is.
pub const UNNAMED: &[&str] = &[];

/// What a server shows who connects: the certificate chain of one PEM file, its own first, and the
/// key of another (they may be the same).
///
/// # Errors
///
/// [`TlsError`] says which file is wrong, and how.
pub fn acceptor(certificates: &Path, key: &Path, spoken: &[&str]) -> Result<TlsAcceptor, TlsError> {
    let chain = read_certificates(certificates)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError(format!(
            "{} has no private key: give a PEM file with a part \"BEGIN PRIVATE KEY\", not encrypted",
            key.display()
        )),
        error => unreadable(key, &error),
    })?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError(format!("no TLS: {error}")))?
        .with_no_client_auth()
        .with_single_cert(chain, private);
    let mut config = config.map_err(|error| {
        let (key, certificates) = (key.display(), certificates.display());
        TlsError(match error {
            Error::InconsistentKeys(_) => format!(
                "the key in {key} is not the one of the certificate in {certificates}: give the \
                 two that were made together"
            ),
            error => format!("{certificates} and {key} do not work: {error}"),
        })
    })?;
    config.alpn_protocols = protocols(spoken);
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// How a client checks whom it reached; `None` if it trusts nobody.
///
/// # Errors
///
/// [`TlsError`] says what is wrong with the file.
pub fn client(trust: &Trust, spoken: &[&str]) -> Result<Option<Arc<ClientConfig>>, TlsError> {
    let provider = provider();
    let algorithms = provider.signature_verification_algorithms;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError(format!("no TLS: {error}")))?;
    let keys = |pins| Arc::new(PinnedKeys { pins, algorithms });
    let mut config = match trust {
        Trust::Nobody => return Ok(None),
        Trust::Authorities(path) => config.with_root_certificates(read_authorities(path)?),
        Trust::Keys(pins) => config
            .dangerous()
            .with_custom_certificate_verifier(keys(Some(pins.clone()))),
        Trust::Anybody => config
            .dangerous()
            .with_custom_certificate_verifier(keys(None)),
    }
    .with_no_client_auth();
    config.alpn_protocols = protocols(spoken);
    Ok(Some(Arc::new(config)))
}

impl KeyPin {
    /// The key of the first certificate in a PEM file.
    ///
    /// # Errors
    ///
    /// [`TlsError`] says what is wrong with the file.
    pub fn read(path: &Path) -> Result<Self, TlsError> {
        let certificates = read_certificates(path)?;
        let first = certificates.first().map(Self::of);
        let pin = first.and_then(Result::ok);
        pin.ok_or_else(|| TlsError(format!("{} has a damaged certificate", path.display())))
    }

    fn of(certificate: &CertificateDer<'_>) -> Result<Self, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        Ok(Self(
            Sha256::digest(parsed.subject_public_key_info()).into(),
        ))
    }
}

impl fmt::Display for KeyPin {
    /// 64 hexadecimal digits, as `sha256sum` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for KeyPin {
    type Err = TlsError;

    /// 64 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, TlsError> {
        let wrong =
            || TlsError("a pin has 64 hexadecimal digits: the sha-256 of the key".to_owned());
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut pin = [0; 32];
        for (at, byte) in pin.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(pin))
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

/// Accepts these keys, or any; that the peer has the key is checked in either case.
#[derive(Debug)]
struct PinnedKeys {
    pins: Option<Vec<KeyPin>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for PinnedKeys {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pin = KeyPin::of(certificate)?;
        if self.pins.as_ref().is_none_or(|pins| pins.contains(&pin)) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(
            CertificateError::ApplicationVerificationFailure,
        ))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Given to each configuration, so that a program that uses another one for itself may.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn protocols(spoken: &[&str]) -> Vec<Vec<u8>> {
    spoken.iter().map(|it| it.as_bytes().to_vec()).collect()
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(path);
    let certificates = certificates.and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(|error| unreadable(path, &error))?;
    if certificates.is_empty() {
        return Err(TlsError(format!(
            "{} has no certificate: give a PEM file with a part \"BEGIN CERTIFICATE\"",
            path.display()
        )));
    }
    Ok(certificates)
}

fn read_authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(path)? {
        roots.add(certificate).map_err(|error| {
            TlsError(format!(
                "{} has a certificate that is no authority's: {error}",
                path.display()
            ))
        })?;
    }
    Ok(roots)
}

fn unreadable(path: &Path, error: &pem::Error) -> TlsError {
    TlsError(match error {
        pem::Error::Io(error) => format!("cannot read {}: {error}", path.display()),
        error => format!("{} is damaged: {error}", path.display()),
    })
}
