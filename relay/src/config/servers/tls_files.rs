//! The files of certificates: whom to trust, and how to prove oneself. They are read at start and
//! again before every connection, so that a renewed certificate needs no restart.
//!
//! No message holds anything of a file's contents. There is no way to turn verification off.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use rustls_native_certs::load_native_certs;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, Error, InconsistentKeys, RootCertStore};
use zeroize::Zeroizing;

/// Bytes of a file.
const FILE_MAX: u64 = 1 << 20;

/// What TLS needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The authorities to trust, instead of those of the system.
    pub(super) ca: Option<String>,
    /// The files of this client's certificate and of its key.
    pub(super) certificate: Option<(String, String)>,
    /// The name to send and to verify, instead of the host that is dialled.
    pub(super) server_name: Option<ServerName<'static>>,
}

/// A flag, and what is wrong with the file that it names.
pub(crate) type Mistake = (&'static str, String);

impl TlsFiles {
    /// What the files say now, or everything that is wrong with them. Blocks.
    pub(crate) fn read(&self) -> Result<ClientConfig, Vec<Mistake>> {
        let roots = self.roots().map_err(|why| ("--redis-ca", why));
        let certificate = self.certificate.as_ref().map(|(certificate, key)| {
            let certificate = certificates(certificate).map_err(|why| ("--redis-cert", why));
            (certificate, private_key(key).map_err(|why| ("--redis-key", why)))
        });
        let (roots, certificate) = match (roots, certificate) {
            (Ok(roots), None) => (roots, None),
            (Ok(roots), Some((Ok(certificate), Ok(key)))) => (roots, Some((certificate, key))),
            (roots, certificate) => {
                let mut mistakes: Vec<Mistake> = roots.err().into_iter().collect();
                if let Some((certificate, key)) = certificate {
                    mistakes.extend(certificate.err());
                    mistakes.extend(key.err());
                }
                return Err(mistakes);
            }
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| vec![("--redis", error.to_string())])?
            .with_root_certificates(roots);
        let Some((certificate, key)) = certificate else {
            return Ok(builder.with_no_client_auth());
        };
        builder.with_client_auth_cert(certificate, key).map_err(|error| {
            let why = match error {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    "this key does not belong to the certificate of --redis-cert".to_owned()
                }
                error => error.to_string(),
            };
            vec![("--redis-key", why)]
        })
    }

    /// The name that the certificate of this host must have. `None`: no certificate can have it.
    pub(crate) fn name_of(&self, host: &str) -> Option<ServerName<'static>> {
        match &self.server_name {
            Some(name) => Some(name.clone()),
            None => ServerName::try_from(host.to_owned()).ok(),
        }
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        let Some(path) = &self.ca else {
            let (good, _) = roots.add_parsable_certificates(load_native_certs().certs);
            return match good {
                0 => Err("not given, and this system trusts no certificates".to_owned()),
                _ => Ok(roots),
            };
        };
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| format!("{path}: {error}"))?;
        }
        Ok(roots)
    }
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let contents = contents(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&contents).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(format!("{path}: no certificate in the form of PEM in it")),
        Err(_) => Err(format!("{path}: not in the form of PEM")),
    }
}

fn private_key(path: &str) -> Result<PrivateKeyDer<'static>, String> {
    let contents = contents(path)?;
    PrivateKeyDer::from_pem_slice(&contents).map_err(|_| {
        let is_encrypted = contents.windows(9).any(|words| words == b"ENCRYPTED");
        match is_encrypted {
            true => {
                format!("{path}: the key is encrypted; there is nobody to ask for its password")
            }
            false => format!("{path}: no private key in the form of PEM in it"),
        }
    })
}

fn contents(path: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let named = |error: std::io::Error| format!("{path}: {error}");
    let mut contents = Zeroizing::new(Vec::new());
    File::open(path)
        .map_err(named)?
        .take(FILE_MAX + 1)
        .read_to_end(&mut contents)
        .map_err(named)?;
    match contents.len() as u64 > FILE_MAX {
        true => Err(format!("{path}: more than 1 MiB")),
        false => Ok(contents),
    }
}
