//! Certificates and keys in PEM files.
//!
//! An error is text that the name of the file can be put in front of: "FILE is empty".

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use tokio_rustls::rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

/// The size limit of a file. Certificates are a few kilobytes: a larger file is something
/// else.
const MAX_SIZE: u64 = 1024 * 1024;

/// The bytes of a file, or why it cannot be read.
pub type Content = Result<Vec<u8>, String>;

/// Reads a file that must be regular, because it is read again later.
///
/// # Errors
///
/// Returns what is wrong if the file is not regular, cannot be read, is empty, or has a
/// megabyte or more.
pub fn read_regular(path: &Path) -> Content {
    let about = fs::metadata(path).map_err(|error| cannot_be_read(&error))?;
    if !about.is_file() && !about.is_dir() {
        return Err("is not a regular file: write what it holds into one".to_owned());
    }
    read(path)
}

/// Reads a file, which may be a pipe.
///
/// # Errors
///
/// Returns what is wrong if the file is a directory, cannot be read, is empty, or has a
/// megabyte or more.
pub fn read(path: &Path) -> Content {
    let about = fs::metadata(path).map_err(|error| cannot_be_read(&error))?;
    if about.is_dir() {
        return Err("is a directory: name the file in it".to_owned());
    }
    let file = File::open(path).map_err(|error| cannot_be_read(&error))?;
    let mut bytes = Vec::new();
    let length = file.take(MAX_SIZE).read_to_end(&mut bytes);
    let length = length.map_err(|error| cannot_be_read(&error))?;
    if length as u64 == MAX_SIZE {
        return Err("is a megabyte or more, which no certificate is: name another file".to_owned());
    }
    if bytes.trim_ascii().is_empty() {
        return Err("is empty: write PEM into it".to_owned());
    }
    Ok(bytes)
}

fn cannot_be_read(error: &io::Error) -> String {
    let way_out = match error.kind() {
        io::ErrorKind::NotFound => "; correct the path, or put the file there",
        io::ErrorKind::PermissionDenied => "; let the user that runs this read it",
        _ => "",
    };
    format!("cannot be read: {error}{way_out}")
}

/// Returns all certificates, at least one. Other blocks and the text around blocks are
/// skipped (RFC 7468, section 2).
///
/// # Errors
///
/// Returns what is wrong if the content could not be read, is not valid PEM, or has no
/// certificate.
pub fn certificates(content: &Content) -> Result<Vec<CertificateDer<'static>>, String> {
    let content = content.as_ref().map_err(Clone::clone)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(content).collect();
    let found = found.map_err(|error| in_pem(&error))?;
    if found.is_empty() {
        return Err("has no certificate in it, which in PEM begins with \
                    \"-----BEGIN CERTIFICATE-----\": name another file, or convert it"
            .to_owned());
    }
    Ok(found)
}

/// Returns the first private key.
///
/// # Errors
///
/// Returns what is wrong if the content could not be read, is not valid PEM, or has no key.
pub fn private_key(content: &Content) -> Result<PrivateKeyDer<'static>, String> {
    let content = content.as_ref().map_err(Clone::clone)?;
    PrivateKeyDer::from_pem_slice(content).map_err(|error| match error {
        pem::Error::NoItemsFound => "has no key in it, which in PEM begins with \
             \"-----BEGIN PRIVATE KEY-----\": name another file, or convert it; \
             a key with a password has to be decrypted"
            .to_owned(),
        error => in_pem(&error),
    })
}

// The error's own text is not shown, because it contains bytes that may be the key's.
fn in_pem(error: &pem::Error) -> String {
    let problem = match error {
        pem::Error::MissingSectionEnd { .. } => "a block without its end",
        pem::Error::IllegalSectionStart { .. } => "a block whose first line is malformed",
        _ => "a block with something in it that is not base64",
    };
    format!("is not valid PEM: it has {problem}; write it anew")
}
