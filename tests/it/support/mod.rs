pub(crate) mod certificates;
pub(crate) mod collector;
pub(crate) mod http1;
pub(crate) mod http2;
pub(crate) mod manifests;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod python;
pub(crate) mod scripted;
pub(crate) mod tls;
pub(crate) mod wire;

use sample_service::{
    config::{self, Flag, Layers, Settings},
    proto::{SampleRequest, sample_service_client::SampleServiceClient},
    server::{DrainReport, Server},
    telemetry::Telemetry,
};
use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};
use tonic::transport::{Channel, Endpoint};

/// Settings as the command line would make them, on a free port of loopback.
pub(crate) fn settings(changes: &[(&'static str, &str)]) -> Settings {
    let flag = |(key, text): &(&'static str, &str)| Flag { name: key, key, text: (*text).into() };
    let mut flags = vec![flag(&("server.address", "127.0.0.1:0"))];
    flags.extend(changes.iter().map(flag));
    config::load(&Layers { flags, ..Layers::default() }).expect("valid settings").settings
}

/// A server in this process, told to end by what is sent to `shutdown`.
pub(crate) struct InProcess {
    pub(crate) address: String,
    pub(crate) shutdown: mpsc::Sender<&'static str>,
    pub(crate) report: JoinHandle<DrainReport>,
}

impl InProcess {
    pub(crate) async fn start(changes: &[(&'static str, &str)]) -> Self {
        let (settings, telemetry) = (settings(changes), Telemetry::default());
        let server = Server::bind(&settings, &Handle::current(), &telemetry).expect("a free port");
        let address = server.address().to_string();
        let (shutdown, told) = mpsc::channel(2);
        let report = tokio::spawn(server.run(told));
        Self { address, shutdown, report }
    }

    pub(crate) async fn connect(&self) -> Channel {
        connect(&self.address).await
    }
}

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
