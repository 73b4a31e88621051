//! Certificates and keys in PEM files.
//!
//! The text of an error follows the name of the file, as in "FILE is empty".

mod blocks;

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use tokio_rustls::rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer, pem,
};

use blocks::{Block, Damage, blocks};

/// The size limit of a file. Certificates are a few kilobytes: a larger file is something
/// else.
const MAX_SIZE: u64 = 1024 * 1024;

/// The bytes of a file, or why it cannot be read.
pub type Content = Result<Vec<u8>, String>;

/// Reads a file that must be regular, because it is read again later.
///
/// # Errors
///
/// Returns a text for people if the file is not regular, cannot be read, is empty, or has a
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
/// Returns a text for people if the file is a directory, cannot be read, is empty, or has a
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

/// A certificate of a file.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// The line of the file in which its block begins, from 1.
    pub line: usize,
}

/// Returns all certificates, at least one. Other kinds of blocks, such as keys, and the text
/// around blocks are skipped (RFC 7468, section 2).
///
/// # Errors
///
/// Returns a text for people if the content could not be read, has no certificate, or has a
/// block of certificates that cannot be used. No such block is skipped.
pub fn certificates(content: &Content) -> Result<Vec<Certificate>, String> {
    let content = content.as_ref().map_err(Clone::clone)?;
    let mut found = Vec::new();
    for block in blocks(content) {
        let line = block.line;
        let (der, is_trusted) = match block.label {
            "CERTIFICATE" | "X509 CERTIFICATE" | "X.509 CERTIFICATE" => (decode(&block)?, false),
            "TRUSTED CERTIFICATE" => (decode(&block)?, true),
            label if has_certificates(label) => {
                return Err(format!(
                    "has a block of another kind in line {line}, {label:?}: convert it to \
                     \"-----BEGIN CERTIFICATE-----\", or delete it"
                ));
            }
            _ => continue,
        };
        match sequence_length(&der) {
            Some(length) if length < der.len() => {
                return Err(if is_trusted {
                    format!(
                        "has a certificate with OpenSSL's trust settings in line {line}, which \
                         are not used: convert it with \"openssl x509\", which leaves them out"
                    )
                } else {
                    format!(
                        "has more than a certificate in the block of line {line}: encode it again"
                    )
                });
            }
            _ => found.push(Certificate { der: der.into(), line }),
        }
    }
    if found.is_empty() {
        return Err("has no certificate in it, which in PEM begins with \
                    \"-----BEGIN CERTIFICATE-----\": name another file, or convert it"
            .to_owned());
    }
    Ok(found)
}

/// Returns whether blocks with this label have certificates. A certificate request has none.
fn has_certificates(label: &str) -> bool {
    let label = label.to_ascii_uppercase();
    let is = |part| label.contains(part);
    is("CERTIFICATE") && !is("REQUEST") || is("PKCS7") || is("PKCS #7") || label == "CMS"
}

/// Returns the first private key.
///
/// # Errors
///
/// Returns a text for people if the content could not be read, has no key, or has a block of a
/// key that cannot be used.
pub fn private_key(content: &Content) -> Result<PrivateKeyDer<'static>, String> {
    let content = content.as_ref().map_err(Clone::clone)?;
    let mut first = None;
    for block in blocks(content) {
        let key: PrivateKeyDer<'static> = match block.label {
            "PRIVATE KEY" => PrivatePkcs8KeyDer::from(decode(&block)?).into(),
            "RSA PRIVATE KEY" => PrivatePkcs1KeyDer::from(decode(&block)?).into(),
            "EC PRIVATE KEY" => PrivateSec1KeyDer::from(decode(&block)?).into(),
            "ENCRYPTED PRIVATE KEY" => return Err(has_password(block.line)),
            label if label.to_ascii_uppercase().ends_with("PRIVATE KEY") => {
                return Err(format!(
                    "has a key of another kind in line {}, {label:?}: convert it to \
                     \"-----BEGIN PRIVATE KEY-----\"",
                    block.line
                ));
            }
            _ => continue,
        };
        first.get_or_insert(key);
    }
    first.ok_or_else(|| {
        "has no key in it, which in PEM begins with \"-----BEGIN PRIVATE KEY-----\": \
         name another file, or convert it; a key with a password has to be decrypted"
            .to_owned()
    })
}

fn has_password(line: usize) -> String {
    format!("has a key with a password in line {line}: decrypt it")
}

/// Decodes the base64 of a block.
///
/// No error contains the text of the block, because it may be a key's.
fn decode(block: &Block<'_>) -> Result<Vec<u8>, String> {
    let line = block.line;
    let damaged = |damage: &str| format!("is not valid PEM: {damage}; encode it again");
    let body = block.body.map_err(|damage| {
        damaged(&match damage {
            Damage::NoEnd => format!("the block that begins in line {line} has no end"),
            Damage::NoBeginning => format!("the block that ends in line {line} has no beginning"),
            Damage::Malformed => {
                format!("line {line}, where a block begins, is malformed")
            }
        })
    })?;
    // OpenSSL writes this header of RFC 1421 before an encrypted key.
    if body.trim_ascii_start().starts_with(b"Proc-Type:") {
        return Err(has_password(line));
    }
    // `pem::from_buf` needs the markers in lines of their own, and base64 without blanks.
    let mut text = b"-----BEGIN PRIVATE KEY-----\n".to_vec();
    text.extend(body.iter().filter(|byte| !byte.is_ascii_whitespace()));
    text.extend(b"\n-----END PRIVATE KEY-----\n");
    match pem::from_buf(&mut &*text) {
        Ok(Some((_, bytes))) => Ok(bytes),
        _ => Err(damaged(&format!(
            "the block that begins in line {line} has something in it that is not base64"
        ))),
    }
}

/// Returns the length of the sequence that DER begins with, with its tag and length, or `None` if
/// it begins with something else, which is not a certificate.
fn sequence_length(der: &[u8]) -> Option<usize> {
    let (&length, rest) = der.strip_prefix(&[0x30])?.split_first()?;
    if length < 0x80 {
        return Some(2 + usize::from(length));
    }
    let bytes = rest.get(..usize::from(length & 0x7f))?;
    // Four bytes are enough for a megabyte.
    let length = (bytes.len() <= 4)
        .then(|| bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))?;
    Some(2 + bytes.len() + length)
}

#[cfg(test)]
mod tests;
