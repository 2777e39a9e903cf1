//! A certificate authority: issues certificates of servers and of clients, as files.

use std::cell::Cell;
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use tempfile::TempDir;

use crate::port;
use crate::process::Process;
use crate::servers::artefacts;
use crate::wait::SOON;

/// An authority of its own. Its files are deleted on drop.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
    issued: Cell<usize>,
}

/// The files of a certificate and of its key.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Authority {
    /// A new authority, which nobody trusts yet.
    pub fn new() -> Authority {
        Authority::named("authority of a test")
    }

    /// A new authority of this name.
    pub fn named(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let dir = tempfile::Builder::new().prefix("chat-tls-").tempdir().expect("a directory");
        std::fs::write(dir.path().join("ca.pem"), issuer.pem()).expect("written");
        Authority { issuer, dir, issued: Cell::new(0) }
    }

    /// The file that trusts it.
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// The file that trusts it, as an argument.
    pub fn path(&self) -> String {
        argument(&self.file())
    }

    /// A certificate for these names and addresses.
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.issue_until(names, 4000)
    }

    /// A certificate that has expired.
    pub fn issue_expired(&self, names: &[&str]) -> Issued {
        self.issue_until(names, 2001)
    }

    fn issue_until(&self, names: &[&str], year: i32) -> Issued {
        let number = self.issued.get() + 1;
        self.issued.set(number);
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, "a server or a client of a test");
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let files = Issued {
            certificate: self.dir.path().join(format!("{number}.pem")),
            key: self.dir.path().join(format!("{number}.key")),
        };
        std::fs::write(&files.certificate, certificate.pem()).expect("written");
        std::fs::write(&files.key, key.serialize_pem()).expect("written");
        files
    }

    /// Lines of redis.conf for TLS on this port with this certificate, beside the plain port.
    /// Clients need none of their own.
    pub fn lines(&self, port: u16, issued: &Issued) -> Vec<String> {
        vec![
            format!("tls-port {port}"),
            format!("tls-cert-file {}", argument(&issued.certificate)),
            format!("tls-key-file {}", argument(&issued.key)),
            format!("tls-ca-cert-file {}", self.path()),
            "tls-auth-clients no".to_owned(),
        ]
    }
}

impl Default for Authority {
    fn default() -> Authority {
        Authority::new()
    }
}

impl Issued {
    /// The certificate's file, as an argument.
    pub fn certificate_path(&self) -> String {
        argument(&self.certificate)
    }

    /// The key's file, as an argument.
    pub fn key_path(&self) -> String {
        argument(&self.key)
    }
}

fn argument(path: &std::path::Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// Whether the server under test was built with TLS. The Valkey 9.1 of `make compat` was not.
pub fn server_has_tls() -> bool {
    let dir = tempfile::tempdir().expect("a directory");
    let port = port::free().to_string();
    // Without a certificate it ends at once, and says why.
    let args = ["--port", "0", "--tls-port", &port].map(Into::into);
    let mut process = Process::spawn("tls", &artefacts::redis_server(), &args, dir.path());
    process.wait(SOON);
    process.output().contains("No tls-cert-file configured")
}
