//! Binds and listens on an address.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use socket2::{Domain, Protocol, Type};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_util::either::Either;
use wire::socket::Socket;

use super::unix_listener::UnixSocket;
use crate::{call::PeerAddress, config::SocketMode};

/// Connections that the kernel completes before they are accepted. A longer backlog would not
/// help, because all of them wait for the same accept loop.
const BACKLOG: i32 = 1024;

/// A connection as it is accepted.
pub(super) type Stream = Either<TcpStream, UnixStream>;

/// A listener of either kind of socket.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixSocket),
}

impl Listener {
    /// Accepts a connection. Returns it with the address of its client.
    pub(super) async fn accept(&self) -> io::Result<(Stream, PeerAddress)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Either::Left(stream), PeerAddress::tcp(peer)))
            }
            Self::Unix(socket) => {
                let (stream, _) = socket.listener.accept().await?;
                let uid = stream.peer_cred()?.uid();
                Ok((Either::Right(stream), PeerAddress::Unix { uid }))
            }
        }
    }
}

/// The system refuses to listen on an address.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({setting}): {cause}{}", hint(address, cause))]
pub struct BindError {
    address: Socket,
    setting: &'static str,
    // Not named `source`, because the message contains it already.
    cause: io::Error,
}

fn hint(address: &Socket, error: &io::Error) -> &'static str {
    match (error.kind(), address) {
        (io::ErrorKind::AddrInUse, _) => {
            "; end the program that listens there, or choose another address"
        }
        (io::ErrorKind::PermissionDenied, Socket::Ip(_)) => {
            "; ports below 1024 need a privilege: choose another address"
        }
        (io::ErrorKind::PermissionDenied, Socket::Unix(_)) => {
            "; let the server's user write to its folder, or choose another address"
        }
        (io::ErrorKind::NotFound, Socket::Unix(_)) => {
            "; make its folder, or choose another address"
        }
        (io::ErrorKind::AlreadyExists, _) => "; move it away, or choose another address",
        _ => "",
    }
}

/// Listens on the address. Returns the listener and its address, which has the port that the system
/// has chosen for port 0.
///
/// # Errors
///
/// Returns an error that names the setting if the system refuses the address.
pub(super) fn listen(
    address: &Socket,
    mode: SocketMode,
    setting: &'static str,
) -> Result<(Listener, Socket), BindError> {
    match address {
        Socket::Ip(address) => {
            let (listener, address) = listen_tcp(*address, setting)?;
            Ok((Listener::Tcp(listener), Socket::Ip(address)))
        }
        Socket::Unix(path) => match UnixSocket::listen(path, mode.get(), BACKLOG) {
            Ok(socket) => Ok((Listener::Unix(socket), address.clone())),
            Err(cause) => Err(BindError { address: address.clone(), setting, cause }),
        },
    }
}

/// Listens on an IP address, as [`listen`] does. If IPv6 is off, `[::]` falls back to `0.0.0.0`
/// with a warning.
///
/// # Errors
///
/// Returns an error that names the setting if the system refuses the address.
pub(super) fn listen_tcp(
    address: SocketAddr,
    setting: &'static str,
) -> Result<(TcpListener, SocketAddr), BindError> {
    let listen = || {
        let listener = listen_with(address, bind)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listen().map_err(|cause| BindError { address: Socket::Ip(address), setting, cause })
}

fn listen_with<L>(
    address: SocketAddr,
    bind: impl Fn(SocketAddr) -> io::Result<L>,
) -> io::Result<L> {
    match bind(address) {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && lacks_ipv6(&error) => {
            let fallback = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            tracing::warn!(%address, %fallback, %error, "IPv6 is off: listening on IPv4 alone");
            bind(fallback)
        }
        other => other,
    }
}

fn lacks_ipv6(error: &io::Error) -> bool {
    // Either the protocol is missing, or no interface has an IPv6 address.
    error.raw_os_error() == Some(libc::EAFNOSUPPORT)
        || error.kind() == io::ErrorKind::AddrNotAvailable
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = socket2::Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    // So that a restart does not wait for connections in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // So that `[::]` includes IPv4, whatever net.ipv6.bindv6only says.
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, io, net::SocketAddr};

    use super::listen_with;

    fn addresses_tried(address: &str, error: fn() -> io::Error) -> Vec<String> {
        let tried = RefCell::new(Vec::new());
        let _ = listen_with(address.parse().expect("an address"), |address: SocketAddr| {
            tried.borrow_mut().push(address.to_string());
            if address.is_ipv6() { Err(error()) } else { Ok(()) }
        });
        tried.into_inner()
    }

    #[test]
    fn without_ipv6_the_unspecified_address_falls_back_to_ipv4() {
        let errors = [
            || io::Error::from_raw_os_error(libc::EAFNOSUPPORT),
            || io::Error::from(io::ErrorKind::AddrNotAvailable),
        ];
        for error in errors {
            assert_eq!(addresses_tried("[::]:9999", error), ["[::]:9999", "0.0.0.0:9999"]);
        }
    }

    #[test]
    fn other_addresses_and_other_errors_do_not_fall_back() {
        let no_such_address = || io::Error::from(io::ErrorKind::AddrNotAvailable);
        assert_eq!(addresses_tried("[2001:db8::1]:9999", no_such_address), ["[2001:db8::1]:9999"]);
        let in_use = || io::Error::from(io::ErrorKind::AddrInUse);
        assert_eq!(addresses_tried("[::]:9999", in_use), ["[::]:9999"]);
    }
}
