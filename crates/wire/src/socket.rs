//! The address of a socket: TCP or a Unix socket.

use std::{
    fmt,
    net::SocketAddr,
    os::unix::net,
    path::{Path, PathBuf},
};

/// The scheme before the path of a Unix socket.
const UNIX: &str = "unix:";

/// An IP address and a port, or the path of a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Socket {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Socket {
    /// Returns the Unix socket that `unix:/path`, `unix:///path` or `unix:path` names, or `None`
    /// if the text has another scheme. The last one is relative to the working directory.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the path.
    pub fn unix(text: &str) -> Option<Result<Self, String>> {
        text.strip_prefix(UNIX).map(|path| unix_path(path).map(|path| Self::Unix(path.to_owned())))
    }
}

fn unix_path(path: &str) -> Result<&Path, String> {
    let path = match path.strip_prefix("//") {
        None => path,
        Some(path) if path.starts_with('/') => path,
        Some(_) => return Err("names a host: write unix:/path or unix:///path".to_owned()),
    };
    if path.is_empty() {
        return Err("has no path after unix:".to_owned());
    }
    net::SocketAddr::from_pathname(path)
        .map_err(|error| format!("cannot be the path of a socket: {error}"))?;
    Ok(Path::new(path))
}

impl From<SocketAddr> for Socket {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}
