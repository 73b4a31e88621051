//! A server at a Unix socket.

use channel::Channel;
use http::Response;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tonic::{Code, Request};

use crate::support::{Client, target};

#[tokio::test]
async fn a_unix_socket_is_called_with_the_authority_localhost() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("a.sock");
    let listener = UnixListener::bind(&path).expect("a free path");
    let path = path.to_str().expect("UTF-8").to_owned();
    for address in [format!("unix:{path}"), format!("unix://{path}")] {
        let channel = Channel::new(&target(&address));
        let call =
            tokio::spawn(async { Client::new(channel).unary(Request::new(String::new())).await });
        let (stream, _) = listener.accept().await.expect("a client");
        let mut server = h2::server::handshake(stream).await.expect("HTTP/2");
        let (request, mut respond) = server.accept().await.expect("a call").expect("a request");
        assert_eq!(request.uri().authority().map(|name| name.as_str()), Some("localhost"));
        let response = Response::builder().header("grpc-status", "5").body(());
        respond.send_response(response.expect("a response"), true).expect("in flight");
        let _server = tokio::spawn(async move { while server.accept().await.is_some() {} });
        let status = call.await.expect("no panic").expect_err("the status of the server");
        assert_eq!(status.code(), Code::NotFound);
    }
}
