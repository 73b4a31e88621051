//! Metrics of the process, by the names of every Prometheus client library
//! (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>).

use std::fmt;

use procfs::{
    ProcResult, WithCurrentSystemInfo, boot_time_secs,
    process::{LimitValue, Process as ProcProcess},
    ticks_per_second,
};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::families::Families;

/// Reads `/proc/self` at each scrape.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // Without /proc there are no such metrics.
        let Ok(usage) = Usage::read() else { return Ok(()) };
        let mut families = Families(encoder);
        let cpu_help = "CPU time of user and system, in seconds.";
        families.counter("process_cpu_seconds", cpu_help, usage.cpu_seconds)?;
        for (name, help, value) in [
            ("start_time_seconds", "When it began, in seconds since 1970.", usage.start),
            ("resident_memory_bytes", "Resident memory, in bytes.", usage.resident),
            ("virtual_memory_bytes", "Virtual memory, in bytes.", usage.virtual_memory),
            ("open_fds", "File descriptors that are open.", usage.open_descriptors),
            ("max_fds", "File descriptors that may be open.", usage.most_descriptors),
            ("threads", "Threads.", usage.threads),
        ] {
            families.gauge(&format!("process_{name}"), help, value)?;
        }
        Ok(())
    }
}

struct Usage {
    cpu_seconds: f64,
    start: f64,
    resident: f64,
    virtual_memory: f64,
    open_descriptors: f64,
    most_descriptors: f64,
    threads: f64,
}

impl Usage {
    fn read() -> ProcResult<Self> {
        let process = ProcProcess::myself()?;
        let stat = process.stat()?;
        let seconds = |ticks: u64| ticks as f64 / ticks_per_second() as f64;
        Ok(Self {
            cpu_seconds: seconds(stat.utime + stat.stime),
            start: boot_time_secs()? as f64 + seconds(stat.starttime),
            resident: stat.rss_bytes().get() as f64,
            virtual_memory: stat.vsize as f64,
            open_descriptors: process.fd_count()? as f64,
            most_descriptors: match process.limits()?.max_open_files.soft_limit {
                LimitValue::Value(most) => most as f64,
                LimitValue::Unlimited => f64::INFINITY,
            },
            threads: stat.num_threads as f64,
        })
    }
}
