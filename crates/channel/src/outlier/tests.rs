use super::*;

const MANY: u32 = 1000;

fn detection() -> OutlierDetection {
    OutlierDetection {
        success_rate: Some(SuccessRate::default()),
        failure_percentage: Some(FailurePercentage::default()),
        ..OutlierDetection::default()
    }
}

/// Sweeps endpoints with these numbers of succeeded and failed calls. Returns the indexes of those
/// that are ejected afterwards.
fn sweep(
    detection: &OutlierDetection,
    ejections: &mut Vec<Ejection>,
    calls: &[(u32, u32)],
    now: Instant,
) -> Vec<usize> {
    ejections.resize_with(calls.len(), Ejection::default);
    let candidate = |(ejection, &(succeeded, failed))| Candidate { ejection, succeeded, failed };
    let mut all: Vec<_> = ejections.iter_mut().zip(calls).map(candidate).collect();
    detection.sweep(now, &mut all);
    (0..calls.len()).filter(|&index| ejections[index].since.is_some()).collect()
}

fn first_sweep(detection: &OutlierDetection, calls: &[(u32, u32)]) -> Vec<usize> {
    sweep(detection, &mut Vec::new(), calls, Instant::now())
}

#[test]
fn an_endpoint_that_fails_most_of_its_calls_is_ejected() {
    let only = OutlierDetection { success_rate: None, ..detection() };
    let with = |one| first_sweep(&only, &[(MANY, 0), (MANY, 0), one, (MANY, 0), (MANY, 0)]);
    assert_eq!(with((0, 50)), [2]);
    assert_eq!(with((14, 86)), [2]);
    assert!(with((15, 85)).is_empty(), "the threshold is 85 percent");
    assert!(with((0, 49)).is_empty(), "there are too few calls");
    let four = [(0, MANY), (MANY, 0), (MANY, 0), (MANY, 0)];
    assert!(first_sweep(&only, &four).is_empty(), "there are too few endpoints");
}

#[test]
fn an_endpoint_whose_success_rate_is_far_below_the_mean_is_ejected() {
    let only = OutlierDetection { failure_percentage: None, ..detection() };
    let mut calls = [(90, 10); 10];
    assert!(first_sweep(&only, &calls).is_empty(), "they are equal");
    calls[3] = (60, 40);
    assert_eq!(first_sweep(&only, &calls), [3]);
    calls[3] = (59, 40);
    assert!(first_sweep(&only, &calls).is_empty(), "there are too few calls");
    let spread = [(100, 0), (90, 10), (80, 20), (70, 30), (60, 40)];
    assert!(first_sweep(&only, &spread).is_empty(), "1.4 standard deviations");
    let four = [(MANY, 0), (MANY, 0), (0, MANY), (MANY, 0)];
    assert!(first_sweep(&only, &four).is_empty(), "there are too few endpoints");
}

#[test]
fn the_share_of_ejected_endpoints_is_bounded() {
    let calls = [vec![(0, MANY); 5], vec![(MANY, 0); 15]].concat();
    assert_eq!(first_sweep(&detection(), &calls), [0, 1], "10 percent of 20");
    let none = OutlierDetection { max_ejection_percent: Percent::new(0), ..detection() };
    assert!(first_sweep(&none, &calls).is_empty());
    let few = [(0, MANY), (0, MANY), (MANY, 0), (MANY, 0), (MANY, 0)];
    assert_eq!(first_sweep(&detection(), &few), [0], "one of five can be, which is 20 percent");
}

#[test]
fn nothing_is_ejected_without_an_algorithm_or_its_enforcement() {
    let calls = [(0, MANY), (MANY, 0), (MANY, 0), (MANY, 0), (MANY, 0)];
    assert_eq!(first_sweep(&detection(), &calls), [0]);
    assert!(first_sweep(&OutlierDetection::default(), &calls).is_empty());
    let enforcement_percentage = Percent::new(0);
    let never = OutlierDetection {
        success_rate: Some(SuccessRate { enforcement_percentage, ..SuccessRate::default() }),
        failure_percentage: Some(FailurePercentage {
            enforcement_percentage,
            ..FailurePercentage::default()
        }),
        ..detection()
    };
    assert!(first_sweep(&never, &calls).is_empty());
}

#[test]
fn each_ejection_is_longer_up_to_the_maximum_and_sweeps_without_one_shorten_the_next() {
    let (detection, mut now) = (detection(), Instant::now());
    let mut ejections = Vec::new();
    let healthy = [(MANY, 0); 5];
    let failing = [(MANY, 0), (MANY, 0), (MANY, 0), (MANY, 0), (0, MANY)];
    // Makes this number of sweeps without a failure, and one that ejects. Returns the number of
    // sweeps until the endpoint is taken back.
    let mut ejected_for = |healthy_before: u32| {
        for _ in 0..healthy_before {
            assert!(sweep(&detection, &mut ejections, &healthy, now).is_empty());
        }
        assert_eq!(sweep(&detection, &mut ejections, &failing, now), [4]);
        let mut sweeps = 0;
        loop {
            sweeps += 1;
            now += detection.interval;
            if sweep(&detection, &mut ejections, &healthy, now).is_empty() {
                return sweeps;
            }
        }
    };
    // The interval is 10 s. An ejection ends after more than 30 s, so at the fourth sweep.
    assert_eq!([(); 3].map(|()| ejected_for(0)), [4, 7, 10]);
    assert_eq!(ejected_for(2), 7, "the fourth time, less two");
    for _ in 0..20 {
        ejected_for(0);
    }
    assert_eq!(ejected_for(0), 31);
}
