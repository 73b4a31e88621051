//! A server of the benchmark `cost`: tonic's, with the default allocator and a multi-thread
//! runtime. It serves only if `cost` has started it.

#[tokio::main]
async fn main() {
    if std::env::var_os("SERVE").is_some() {
        baseline::serve().await;
    }
}
