//! The service in the test's own process, and tonic's client for it.

use chassis::{
    DrainReport, StartError,
    config::{Flag, Layers},
};
use sample_service::proto::{SampleRequest, sample_service_client::SampleServiceClient};
use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};
use tonic::transport::{Channel, Endpoint};

/// Returns the layers of a command line with these settings. The address is a free port of
/// the loopback interface.
pub(crate) fn layers(changes: &[(&'static str, &str)]) -> Layers {
    let flag = |(key, text): &(&'static str, &str)| Flag { name: key, key, text: (*text).into() };
    let mut flags = vec![flag(&("server.address", "127.0.0.1:0"))];
    flags.extend(changes.iter().map(flag));
    Layers { flags, ..Layers::default() }
}

/// A server in this process. It shuts down for the reason that is sent to `shutdown`.
pub(crate) struct InProcess {
    pub(crate) address: String,
    pub(crate) shutdown: mpsc::Sender<&'static str>,
    pub(crate) report: JoinHandle<Result<DrainReport, StartError>>,
}

impl InProcess {
    pub(crate) async fn start(changes: &[(&'static str, &str)]) -> Self {
        let service = sample_service::service();
        let server = service.bind(&layers(changes), &Handle::current()).expect("a free port");
        let address = server.address().to_string();
        let (shutdown, reasons) = mpsc::channel(2);
        let report = tokio::spawn(server.run(reasons));
        Self { address, shutdown, report }
    }

    pub(crate) async fn connect(&self) -> Channel {
        connect(&self.address).await
    }
}

/// Returns a connection of tonic's own client.
pub(crate) async fn connect(address: &str) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    endpoint.connect().await.expect("a server")
}

pub(crate) fn client(channel: Channel) -> SampleServiceClient<Channel> {
    SampleServiceClient::new(channel)
}

pub(crate) fn request(message: &str) -> SampleRequest {
    SampleRequest { message: message.to_owned() }
}
