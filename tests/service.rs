//! The service in the process of the test, only through the public API.

use channel::{Channel, Target, user_agent};
use chassis::{
    DrainReport, StartError,
    config::{Flag, Layers},
};
use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// A server on a free port, and a channel to it.
struct Running {
    channel: Channel,
    stop: mpsc::Sender<&'static str>,
    server: JoinHandle<Result<DrainReport, StartError>>,
}

impl Running {
    async fn start() -> Self {
        let flag = |key, text: &str| Flag { name: key, key, text: text.to_owned() };
        let flags = vec![flag("server.address", "127.0.0.1:0"), flag("shutdown.lame_duck", "0s")];
        let layers = Layers { flags, ..Layers::default() };
        let server = sample_service::service().bind(&layers, &Handle::current()).expect("it binds");
        let channel = Channel::new(&Target {
            address: server.address().into(),
            tls: None,
            timeout: std::time::Duration::from_secs(10),
            wait_for_ready: true,
            max_attempts: 1,
            user_agent: user_agent("test", "1"),
            tracing: None,
            balance: channel::Balance::default(),
            outlier_detection: None,
        });
        let (stop, stopped) = mpsc::channel(1);
        Self { channel, stop, server: tokio::spawn(server.run(stopped)) }
    }

    /// Stops the server. Returns whether every call and connection ended by itself.
    async fn stop(self) -> bool {
        self.stop.send("the test ends").await.expect("it runs");
        self.server.await.expect("it does not panic").expect("it has started").is_clean()
    }
}

async fn health(running: &Running, service: &str) -> ServingStatus {
    let mut client = HealthClient::new(running.channel.clone());
    let request = HealthCheckRequest { service: service.to_owned() };
    client.check(request).await.expect("it is served").into_inner().status()
}

#[tokio::test]
async fn every_service_is_healthy() {
    let running = Running::start().await;
    for service in ["", "SampleService"] {
        assert_eq!(health(&running, service).await, ServingStatus::Serving, "{service:?}");
    }
    assert!(running.stop().await);
}

// Each method; `deploy/new-service --proto` writes these for another service.

#[tokio::test]
async fn sample_service_call_replies_to_the_message() {
    use sample_service::proto::{SampleRequest, sample_service_client::SampleServiceClient};

    let running = Running::start().await;
    let mut client = SampleServiceClient::new(running.channel.clone());
    let response = client.call(SampleRequest { message: "test".to_owned() }).await;
    assert_eq!(response.expect("it succeeds").into_inner().reply, "reply for test");
    assert!(running.stop().await);
}
