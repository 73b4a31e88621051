//! Outlier detection (gRFC A50): ejects endpoints that fail more of their calls than the others.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use crate::settings_values::{Percent, duration};

/// When an endpoint is ejected: it then gets no calls for some time.
///
/// Each of the two algorithms runs if its field is set. Fields and defaults are those of
/// [gRFC A50](https://github.com/grpc/proposal/blob/master/A50-xds-outlier-detection.md).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutlierDetection {
    /// The time between two sweeps, which eject endpoints and take them back.
    #[serde(deserialize_with = "duration")]
    pub interval: Duration,
    /// How long an endpoint is ejected the first time. The second time it is twice as long, the
    /// third time three times. Each sweep while the endpoint is not ejected takes one time off.
    #[serde(deserialize_with = "duration")]
    pub base_ejection_time: Duration,
    /// The longest time for which an endpoint is ejected, unless `base_ejection_time` is longer.
    #[serde(deserialize_with = "duration")]
    pub max_ejection_time: Duration,
    /// The share of ejected endpoints at which no further one is ejected. With 0, none is.
    pub max_ejection_percent: Percent,
    /// Ejects endpoints whose success rate is far below the mean.
    pub success_rate: Option<SuccessRate>,
    /// Ejects endpoints that fail most of their calls.
    pub failure_percentage: Option<FailurePercentage>,
}

/// The algorithm that compares the success rate of an endpoint with the mean of all.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SuccessRate {
    /// How far below the mean an outlier is, in thousandths of the standard deviation.
    pub stdev_factor: u32,
    /// The probability with which an outlier is ejected.
    pub enforcement_percentage: Percent,
    /// The least number of endpoints with `request_volume` for which the algorithm runs.
    pub minimum_hosts: usize,
    /// The calls in one interval without which an endpoint is left out.
    pub request_volume: u32,
}

/// The algorithm that looks at each endpoint alone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FailurePercentage {
    /// The share of failed calls above which an endpoint is an outlier.
    pub threshold: Percent,
    /// The probability with which an outlier is ejected.
    pub enforcement_percentage: Percent,
    /// The least number of endpoints for which the algorithm runs.
    pub minimum_hosts: usize,
    /// The calls in one interval without which an endpoint is left out.
    pub request_volume: u32,
}

/// Whether an endpoint is ejected.
#[derive(Debug, Default)]
pub(crate) struct Ejection {
    pub(crate) since: Option<Instant>,
    multiplier: u32,
}

/// An endpoint, and how its calls since the last sweep ended.
pub(crate) struct Candidate<'a> {
    pub(crate) ejection: &'a mut Ejection,
    pub(crate) succeeded: u32,
    pub(crate) failed: u32,
}

impl OutlierDetection {
    /// Ejects the outliers, and takes back those whose time has passed. It is called once in each
    /// interval.
    pub(crate) fn sweep(&self, now: Instant, all: &mut [Candidate<'_>]) {
        if let Some(algorithm) = &self.success_rate {
            let rates = all.iter().filter(|one| one.has_volume(algorithm.request_volume));
            let rates: Vec<_> = rates.map(Candidate::success_rate).collect();
            if rates.len() >= algorithm.minimum_hosts {
                let (mean, deviation) = mean_and_deviation(&rates);
                let least = mean - deviation * f64::from(algorithm.stdev_factor) / 1000.0;
                let is_outlier = |one: &Candidate<'_>| {
                    one.has_volume(algorithm.request_volume) && one.success_rate() < least
                };
                self.eject(now, all, algorithm.enforcement_percentage, &is_outlier);
            }
        }
        if let Some(algorithm) = &self.failure_percentage
            && all.len() >= algorithm.minimum_hosts
        {
            let threshold = u64::from(algorithm.threshold.get());
            let is_outlier = |one: &Candidate<'_>| {
                one.has_volume(algorithm.request_volume)
                    && u64::from(one.failed) * 100 > one.calls() * threshold
            };
            self.eject(now, all, algorithm.enforcement_percentage, &is_outlier);
        }
        for Candidate { ejection, .. } in all {
            match ejection.since {
                None => ejection.multiplier = ejection.multiplier.saturating_sub(1),
                Some(since) if now > since + self.ejection_time(ejection.multiplier) => {
                    ejection.since = None;
                }
                Some(_) => {}
            }
        }
    }

    fn eject(
        &self,
        now: Instant,
        all: &mut [Candidate<'_>],
        enforcement: Percent,
        is_outlier: &dyn Fn(&Candidate<'_>) -> bool,
    ) {
        let count = all.len();
        let mut ejected = all.iter().filter(|one| one.ejection.since.is_some()).count();
        for one in all {
            if ejected * 100 >= count * self.max_ejection_percent.get() as usize {
                return;
            }
            if one.ejection.since.is_none()
                && is_outlier(one)
                && fastrand::u32(..100) < enforcement.get()
            {
                one.ejection.since = Some(now);
                one.ejection.multiplier += 1;
                ejected += 1;
            }
        }
    }

    fn ejection_time(&self, multiplier: u32) -> Duration {
        let longest = self.max_ejection_time.max(self.base_ejection_time);
        self.base_ejection_time.saturating_mul(multiplier).min(longest)
    }
}

impl Candidate<'_> {
    fn has_volume(&self, volume: u32) -> bool {
        self.calls() >= u64::from(volume).max(1)
    }

    fn calls(&self) -> u64 {
        u64::from(self.succeeded) + u64::from(self.failed)
    }

    fn success_rate(&self) -> f64 {
        f64::from(self.succeeded) / self.calls() as f64
    }
}

fn mean_and_deviation(rates: &[f64]) -> (f64, f64) {
    let mean = rates.iter().sum::<f64>() / rates.len() as f64;
    let squares = rates.iter().map(|rate| (rate - mean).powi(2));
    (mean, (squares.sum::<f64>() / rates.len() as f64).sqrt())
}

impl Default for OutlierDetection {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(30),
            max_ejection_time: Duration::from_secs(300),
            max_ejection_percent: Percent::new(10),
            success_rate: None,
            failure_percentage: None,
        }
    }
}

impl Default for SuccessRate {
    fn default() -> Self {
        Self {
            stdev_factor: 1900,
            enforcement_percentage: Percent::new(100),
            minimum_hosts: 5,
            request_volume: 100,
        }
    }
}

impl Default for FailurePercentage {
    fn default() -> Self {
        Self {
            threshold: Percent::new(85),
            enforcement_percentage: Percent::new(100),
            minimum_hosts: 5,
            request_volume: 50,
        }
    }
}

#[cfg(test)]
mod tests;
