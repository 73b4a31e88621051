//! `/debug/profile`: where the process spends its CPU time, as a flame graph or for `pprof`.

mod flame_graph;
mod pprof_format;
mod stacks;

use std::{env, path::Path, sync::Arc, time::Duration};

use hyper::{
    Request, StatusCode,
    header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, HeaderValue},
};
use pprof::{ProfilerGuard, ProfilerGuardBuilder};
use tokio::{sync::Mutex, task::spawn_blocking, time::sleep};

use super::{
    exchange::Exchange,
    query::parameters,
    reply::{Reply, reply, text, uncached},
};
use stacks::Stacks;

/// The samples per second of CPU time. Not 100, so that they do not fall together with what the
/// process itself does a hundred times a second.
const FREQUENCY: i32 = 99;

const USUAL: u64 = 10;
const LONGEST: u64 = 60;

/// Where the profiler puts its file if there is no folder for temporary files, as in an empty
/// container image. Containers have this folder.
const SHARED_MEMORY: &str = "/dev/shm";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Svg,
    Pprof,
}

/// Allows one profile at a time.
#[derive(Debug, Default)]
pub(super) struct Profiles(Arc<Mutex<()>>);

impl Profiles {
    /// Profiles for the number of seconds in the query, and responds with the profile.
    pub(super) async fn get<B>(&self, request: &Request<B>, exchange: &Exchange) -> Reply {
        let (seconds, format) = match read(request.uri().query()) {
            Ok(read) => read,
            Err(problem) => return text(StatusCode::BAD_REQUEST, format!("{problem}\n")),
        };
        let Ok(one) = Arc::clone(&self.0).try_lock_owned() else {
            return text(StatusCode::CONFLICT, "another profile is being made: try again later\n");
        };
        let profiler = match start() {
            Ok(profiler) => profiler,
            Err(error) => {
                let problem = format!("no profile can be made: {error}\n");
                return text(StatusCode::INTERNAL_SERVER_ERROR, problem);
            }
        };
        tracing::info!(seconds, "a CPU profile begins");
        for _ in 0..seconds {
            exchange.goes_on();
            sleep(Duration::from_secs(1)).await;
        }
        exchange.goes_on();
        // The names of functions are looked up in the binary: too much work for this thread.
        let made = spawn_blocking(move || {
            let made = make(&profiler, format);
            drop((profiler, one));
            made
        });
        match made.await {
            Ok(Ok(profile)) => profile,
            Ok(Err(error)) => failed(&error.to_string()),
            Err(panic) => failed(&panic.to_string()),
        }
    }
}

fn failed(error: &str) -> Reply {
    text(StatusCode::INTERNAL_SERVER_ERROR, format!("the profile failed: {error}\n"))
}

fn read(query: Option<&str>) -> Result<(u64, Format), String> {
    let [seconds, format] = parameters(query, ["seconds", "format"])?;
    let seconds = match seconds {
        None => USUAL,
        Some(text) => {
            text.parse().ok().filter(|seconds| (1..=LONGEST).contains(seconds)).ok_or_else(
                || format!("seconds={text}: expected a whole number from 1 to {LONGEST}"),
            )?
        }
    };
    let format = match format.as_deref() {
        None | Some("svg") => Format::Svg,
        Some("pprof") => Format::Pprof,
        Some(other) => return Err(format!("format={other}: expected svg or pprof")),
    };
    Ok((seconds, format))
}

fn start() -> pprof::Result<ProfilerGuard<'static>> {
    if !env::temp_dir().is_dir() && Path::new(SHARED_MEMORY).is_dir() {
        // An error means that an earlier profile has set the folder.
        let _ = tempfile::env::override_temp_dir(Path::new(SHARED_MEMORY));
    }
    ProfilerGuardBuilder::default().frequency(FREQUENCY).build()
}

fn make(profiler: &ProfilerGuard<'static>, format: Format) -> pprof::Result<Reply> {
    let report = profiler.report().build()?;
    let stacks = Stacks::new(&report);
    let (kind, name, body) = match format {
        Format::Svg => ("image/svg+xml", "inline", flame_graph::draw(&stacks).into_bytes()),
        Format::Pprof => (
            "application/octet-stream",
            "attachment; filename=\"profile.pb.gz\"",
            pprof_format::encode(&stacks),
        ),
    };
    let mut profile = uncached(reply(StatusCode::OK, kind, body));
    let headers = profile.headers_mut();
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static(name));
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    Ok(profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_takes_1_to_60_seconds() {
        assert_eq!(read(None), Ok((10, Format::Svg)));
        assert_eq!(read(Some("seconds=60&format=pprof")), Ok((60, Format::Pprof)));
        assert_eq!(read(Some("seconds=1&format=svg")), Ok((1, Format::Svg)));
        for (query, named) in [
            ("seconds=0", "seconds=0"),
            ("seconds=61", "seconds=61"),
            ("seconds=1s", "seconds=1s"),
            ("format=png", "format=png"),
            ("for=1", "\"for\""),
        ] {
            let problem = read(Some(query)).expect_err(query);
            assert!(problem.contains(named), "{problem}");
        }
    }
}
