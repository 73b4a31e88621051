//! Files in PEM, of both sides: read whole, and taken apart. What is wrong with one
//! is said so that its name can stand before it.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use tokio_rustls::rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

/// A file of certificates is some kilobytes; whatever is larger is something else.
const MOST_READ: u64 = 1024 * 1024;

/// What a file holds, or why it cannot be read.
pub(crate) type Content = Result<Vec<u8>, String>;

/// Reads a file that is read again later, which a pipe cannot be.
pub(crate) fn read_regular(path: &Path) -> Content {
    let about = fs::metadata(path).map_err(|error| cannot_be_read(&error))?;
    if !about.is_file() && !about.is_dir() {
        return Err("is not a regular file: write what it holds into one".to_owned());
    }
    read(path)
}

pub(crate) fn read(path: &Path) -> Content {
    let about = fs::metadata(path).map_err(|error| cannot_be_read(&error))?;
    if about.is_dir() {
        return Err("is a directory: name the file in it".to_owned());
    }
    let file = File::open(path).map_err(|error| cannot_be_read(&error))?;
    let mut bytes = Vec::new();
    let length = file.take(MOST_READ).read_to_end(&mut bytes);
    let length = length.map_err(|error| cannot_be_read(&error))?;
    if length as u64 == MOST_READ {
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

/// All that there are, and never none. Other blocks and the text around blocks
/// are passed over, as RFC 7468 has it.
pub(crate) fn certificates(content: &Content) -> Result<Vec<CertificateDer<'static>>, String> {
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

/// The first that there is.
pub(crate) fn private_key(content: &Content) -> Result<PrivateKeyDer<'static>, String> {
    let content = content.as_ref().map_err(Clone::clone)?;
    PrivateKeyDer::from_pem_slice(content).map_err(|error| match error {
        pem::Error::NoItemsFound => "has no key in it, which in PEM begins with \
             \"-----BEGIN PRIVATE KEY-----\": name another file, or convert it; \
             a key with a password has to be decrypted"
            .to_owned(),
        error => in_pem(&error),
    })
}

// Not in the words of the error: those have bytes in them, which may be the key's.
fn in_pem(error: &pem::Error) -> String {
    let problem = match error {
        pem::Error::MissingSectionEnd { .. } => "a block without its end",
        pem::Error::IllegalSectionStart { .. } => "a block whose first line is malformed",
        _ => "a block with something in it that is not base64",
    };
    format!("is not valid PEM: it has {problem}; write it anew")
}
