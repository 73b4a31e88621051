//! Runs a test with each layer, and measures the memory that it takes.

use std::time::Duration;

use http2_judge::server::Layer;
use tokio::{runtime::Builder, time::timeout};

/// The most bytes that a small test may hold, with its client.
pub(crate) const SMALL: u64 = 2 * 1024 * 1024;

/// The virtual time after which a test hangs.
const HANG: Duration = Duration::from_secs(24 * 3600);

/// Runs `test` with each layer under paused time.
///
/// # Panics
///
/// Panics if a test hangs, or holds more than `most` bytes.
pub(crate) fn each<Fut: Future<Output = ()>>(most: u64, test: impl Fn(Layer) -> Fut) {
    for layer in Layer::ALL {
        // Only the allocations of this thread are counted, and the runtime has no other thread.
        let held = allocation_counter::measure(|| {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()
                .expect("a runtime");
            let ended = runtime.block_on(async { timeout(HANG, test(layer)).await });
            assert!(ended.is_ok(), "{layer:?} hangs");
        });
        let peak = held.bytes_max;
        assert!(peak <= most, "{layer:?} holds {peak} bytes, more than {most}");
    }
}
