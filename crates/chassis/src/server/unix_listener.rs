//! Listens on the path of a Unix socket.

use std::{
    fs::{self, Metadata, Permissions},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::Mode;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

/// A listener on the path of a Unix socket, whose file is removed when it is dropped.
#[derive(Debug)]
pub(super) struct UnixSocket {
    /// Dropped before the listener, so that the file never belongs to a closed socket.
    _file: SocketFile,
    pub(super) listener: UnixListener,
}

impl UnixSocket {
    /// Listens on the path. The file of a server that has ended is replaced.
    ///
    /// # Errors
    ///
    /// Returns an error if a server listens there, if there is a file that is not a socket, or if
    /// the system refuses the path.
    pub(super) fn listen(path: &Path, mode: u32, backlog: i32) -> io::Result<Self> {
        let (socket, file) = bind(path, mode)?;
        socket.listen(backlog)?;
        // Only now, because the umask has removed some of the permissions that `bind` has set.
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        let listener = UnixListener::from_std(socket.into())?;
        Ok(Self { _file: file, listener })
    }
}

/// Makes the file of the socket, whose permissions are never more than `mode`.
fn bind(path: &Path, mode: u32) -> io::Result<(Socket, SocketFile)> {
    let socket = new_socket()?;
    // Linux makes the file with the permissions of the socket itself, less those of the umask.
    rustix::fs::fchmod(&socket, Mode::from_raw_mode(mode))?;
    let address = SockAddr::unix(path)?;
    if let Err(error) = socket.bind(&address) {
        if error.kind() != io::ErrorKind::AddrInUse {
            return Err(error);
        }
        remove_stale(path, &address)?;
        socket.bind(&address)?;
        tracing::info!(path = %path.display(), "replaced the socket of a server that has ended");
    }
    let file = SocketFile::new(path)?;
    Ok((socket, file))
}

fn new_socket() -> io::Result<Socket> {
    Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)
}

/// Removes a socket on which no server listens.
///
/// # Errors
///
/// Returns an error if a server listens on it, or if it is not a socket.
fn remove_stale(path: &Path, address: &SockAddr) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if !found.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file that is not a socket",
        ));
    }
    match new_socket()?.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            remove(path, identity(&found))
        }
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        // A server listens, even if its backlog is full.
        _ => Err(io::Error::from_raw_os_error(libc::EADDRINUSE)),
    }
}

/// The file of a socket.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        let identity = identity(&fs::symlink_metadata(path)?);
        Ok(Self { path: path.to_owned(), identity })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may have been removed already.
        let _ = remove(&self.path, self.identity);
    }
}

/// Removes a file, unless another one has taken its place.
fn remove(path: &Path, expected: (u64, u64)) -> io::Result<()> {
    if identity(&fs::symlink_metadata(path)?) == expected { fs::remove_file(path) } else { Ok(()) }
}

/// Returns the device and the inode, which no two files have in common.
fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_made_without_permissions_that_the_mode_lacks() {
        let folder = tempfile::tempdir().expect("a folder");
        for mode in [0o600, 0o400, 0] {
            let path = folder.path().join(mode.to_string());
            let (_socket, _file) = bind(&path, mode).expect("it is free");
            let made = fs::symlink_metadata(&path).expect("it is there").mode();
            assert_eq!(made & 0o777 & !mode, 0, "{mode:o}: {made:o}");
        }
    }
}
