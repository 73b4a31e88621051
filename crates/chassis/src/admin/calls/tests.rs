use super::*;

/// Returns metrics of one method: calls that took up to 1 ms, up to 10 ms, and more.
fn text(fast: u32, slow: u32, slower: u32) -> String {
    let labels = "grpc_type=\"unary\",grpc_service=\"S\",grpc_method=\"M\"";
    let (ten, all) = (fast + slow, fast + slow + slower);
    format!(
        "grpc_server_started_total{{{labels}}} {all}\n\
         grpc_server_handled_total{{{labels},grpc_code=\"OK\"}} {fast}\n\
         grpc_server_handled_total{{{labels},grpc_code=\"Internal\"}} {}\n\
         grpc_server_handled_total{{{labels},grpc_code=\"Unknown\"}} 0\n\
         grpc_server_handling_seconds_bucket{{le=\"0.001\",{labels}}} {fast}\n\
         grpc_server_handling_seconds_bucket{{le=\"0.01\",{labels}}} {ten}\n\
         grpc_server_handling_seconds_bucket{{le=\"+Inf\",{labels}}} {all}\n",
        slow + slower
    )
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_quantile_is_interpolated_as_prometheus_does() {
    let buckets = [(1.0, 50.0), (9.0, 100.0), (f64::INFINITY, 100.0)];
    assert_eq!(quantile(&buckets, 0.5), Some(1.0));
    assert_eq!(quantile(&buckets, 0.75), Some(5.0));
    assert_eq!(quantile(&buckets, 0.25), Some(0.5));
    // Nothing is known of values above the last bound.
    assert_eq!(quantile(&[(0.001, 0.0), (f64::INFINITY, 3.0)], 0.5), Some(0.001));
    assert_eq!(quantile(&[(0.001, 0.0), (f64::INFINITY, 0.0)], 0.5), None);
    assert_eq!(quantile(&[], 0.5), None);
}

#[test]
fn the_first_look_covers_the_time_since_the_start() {
    let start = Instant::now();
    let mut calls = Calls::new(start);
    let (methods, window) = calls.look(&text(10, 10, 0), start + seconds(40));
    assert_eq!(window, 40.0);
    let expected = json!({
        "method": "/S/M", "type": "unary", "started": 20.0, "in_flight": 0.0,
        "handled": {"OK": 10.0, "Internal": 10.0},
        "per_second": 0.5, "p50_ms": 1.0, "p99_ms": methods[0]["p99_ms"],
    });
    assert_eq!(methods, [expected]);
}

#[test]
fn rate_and_quantiles_cover_the_last_ten_seconds() {
    let start = Instant::now();
    let mut calls = Calls::new(start);
    for second in 0..60 {
        calls.look(&text(1000, 0, 0), start + seconds(second));
    }
    // All calls of the last ten seconds are slow.
    let (methods, window) = calls.look(&text(1000, 20, 0), start + seconds(60));
    assert_eq!(window, 10.0);
    assert_eq!((&methods[0]["per_second"], &methods[0]["p50_ms"]), (&json!(2.0), &json!(5.5)));
    assert_eq!(methods[0]["started"], 1020.0);
}

#[test]
fn frequent_looks_keep_few_samples() {
    let start = Instant::now();
    let mut calls = Calls::new(start);
    for look in 0..100_000 {
        calls.look("", start + Duration::from_millis(look));
    }
    assert!(calls.samples.len() <= 22, "{}", calls.samples.len());
}

#[test]
fn a_bucket_that_came_with_its_first_value_has_only_recent_calls() {
    let start = Instant::now();
    let mut calls = Calls::new(start);
    let labels = "grpc_service=\"S\",grpc_method=\"M\"";
    let text = |buckets: &[(&str, u32)]| {
        let line = |(bound, count): &(&str, u32)| {
            format!("grpc_server_handling_seconds_bucket{{le=\"{bound}\",{labels}}} {count}\n")
        };
        buckets.iter().map(line).collect::<String>()
    };
    calls.look(&text(&[("0.5", 10), ("+Inf", 10)]), start + seconds(1));
    let later = text(&[("0.25", 0), ("0.5", 10), ("1.0", 14), ("+Inf", 14)]);
    let (methods, window) = calls.look(&later, start + seconds(11));
    assert_eq!(window, 10.0);
    // All four are between 0.5 s and 1 s.
    assert_eq!(methods[0]["p50_ms"], 750.0);
}
