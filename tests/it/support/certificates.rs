//! Certificates that an authority of the test issues.

use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType, SerialNumber, date_time_ymd,
};

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, key()).expect("a certificate"))
    }

    /// Returns an authority that this one has issued, valid from the first day of 2000 to the
    /// first day of the year.
    pub(crate) fn intermediate(&self, name: &str, last_year: i32) -> Self {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(last_year, 1, 1);
        Self(CertifiedIssuer::signed_by(params, key(), &self.0).expect("a certificate"))
    }

    /// Returns the certificate of the authority, in PEM.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Writes the certificate of the authority as `name`. Returns the path.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> String {
        write(folder, name, &self.pem())
    }

    /// Requests a certificate for a server on this machine.
    pub(crate) fn server(&self) -> Request<'_> {
        self.server_of(&["localhost", "127.0.0.1", "::1"])
    }

    /// Requests a certificate for a server with these DNS names and IP addresses.
    pub(crate) fn server_of(&self, names: &[&str]) -> Request<'_> {
        let mut params = params("server", names);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        Request { authority: self, params }
    }

    /// Requests a certificate for a client with this common name (CN).
    pub(crate) fn client(&self, name: &str) -> Request<'_> {
        let mut params = params(name, &[]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Request { authority: self, params }
    }
}

/// A request for a certificate. Its defaults are the serial number 1 and a thousand years.
pub(crate) struct Request<'a> {
    authority: &'a Authority,
    params: CertificateParams,
}

impl Request<'_> {
    pub(crate) fn serial(mut self, serial: u64) -> Self {
        self.params.serial_number = Some(SerialNumber::from(serial));
        self
    }

    /// Sets the validity, from the first day of one year to the first day of another.
    pub(crate) fn years(mut self, first: i32, last: i32) -> Self {
        self.params.not_before = date_time_ymd(first, 1, 1);
        self.params.not_after = date_time_ymd(last, 1, 1);
        self
    }

    /// Sets the subject alternative names, instead of the common name.
    pub(crate) fn only_alternative_names(mut self, names: &[SanType]) -> Self {
        self.params.distinguished_name.remove(DnType::CommonName);
        self.params.subject_alt_names = names.to_vec();
        self
    }

    /// Issues the certificate with a new key.
    pub(crate) fn issue(self) -> Issued {
        let key = key();
        let certificate = self.params.signed_by(&key, &self.authority.0).expect("a certificate");
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

/// A certificate and its key, in PEM.
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Issued {
    /// Writes `tls.crt` and `tls.key`. Returns their paths.
    pub(crate) fn write(&self, folder: &Path) -> (String, String) {
        (write(folder, "tls.crt", &self.certificate), write(folder, "tls.key", &self.key))
    }
}

pub(crate) fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).expect("it is written");
    path.to_str().expect("UTF-8").to_owned()
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn params(name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("DNS names or IP addresses");
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(1));
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(3000, 1, 1);
    params
}
