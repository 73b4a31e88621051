//! The memory budget, and how much memory there is.

use std::{fs, path::Path};

use bytesize::ByteSize;
use toml::Value;

use super::value::{Setting, parse};

const MIB: u64 = 1 << 20;

/// The memory of a server without connections, in bytes: the program, its threads, log lines,
/// metrics and spans that are not sent yet, and the connections of health and metrics.
const IDLE: u64 = 16 * MIB;

/// The smallest budget, in bytes: enough for a few connections and calls.
const LEAST: u64 = 4 * MIB;

/// A memory budget: a given size, or derived from the memory of the system.
#[derive(Debug, Clone)]
pub struct Memory {
    bytes: usize,
    derived_from: Option<String>,
}

/// Budgets of the same size are equal, whatever they are derived from.
impl PartialEq for Memory {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Memory {
    /// Returns the budget in bytes.
    pub fn get(&self) -> usize {
        self.bytes
    }

    /// Returns what the budget was derived from, or `None` if it was given.
    pub fn derived_from(&self) -> Option<&str> {
        self.derived_from.as_deref()
    }
}

/// "auto" derives the budget from the memory of the system.
impl Setting for Memory {
    fn read(value: &Value) -> Result<Self, String> {
        if value.as_str() == Some("auto") {
            return Ok(derived(Path::new("/")));
        }
        parse(value, |text| Some(text.parse::<ByteSize>().ok()?.as_u64()))
            .filter(|bytes| (LEAST..=isize::MAX as u64).contains(bytes))
            .map(|bytes| Self { bytes: bytes as usize, derived_from: None })
            .ok_or_else(|| "\"auto\" or a size from 4MiB, such as \"64MiB\" or \"1GiB\"".to_owned())
    }
}

/// Derives the budget from the files below `root`.
///
/// In a container, the budget is three quarters of the memory that the limit leaves beside the idle
/// server, and at least a quarter of the limit. The rest is for memory that cannot be counted, such
/// as gaps between allocations and buffers of the kernel. Without a limit, half of the machine is
/// left to other programs.
fn derived(root: &Path) -> Memory {
    let (bytes, from) = if let Some(limit) = cgroup_limit(root) {
        let bytes = (limit.saturating_sub(IDLE) / 4 * 3).max(limit / 4);
        (bytes, format!("three quarters of the container's {}MiB less 16MiB", limit / MIB))
    } else if let Some(total) = machine(root) {
        (total / 2, format!("half of the machine's {}MiB", total / MIB))
    } else {
        (256 * MIB, "the system does not tell how much memory it has".to_owned())
    };
    let bytes = (bytes / MIB * MIB).max(LEAST);
    Memory { bytes: bytes as usize, derived_from: Some(from) }
}

/// Returns the lowest limit of the control groups that the process is in, or `None` if none has a
/// limit below the memory of the machine.
///
/// In a container, the path of the group is often that of the host, and only the group itself is
/// mounted: so the files at the top are read too.
fn cgroup_limit(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut limits = Vec::new();
    for group in groups.lines() {
        let mut parts = group.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (mount, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            names if names.split(',').any(|name| name == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let own = root.join(mount).join(path.trim_start_matches('/'));
        let folders = own.ancestors().take_while(|folder| folder.starts_with(root.join(mount)));
        limits.extend(folders.filter_map(|folder| number(&folder.join(file))));
    }
    let machine = machine(root).unwrap_or(u64::MAX);
    limits.into_iter().min().filter(|limit| *limit < machine)
}

/// Returns the number in a file, or `None` if there is none, such as for `max`.
fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Returns the memory of the machine in bytes.
fn machine(root: &Path) -> Option<u64> {
    let meminfo = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn system(files: &[(&str, &str)]) -> TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        root
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:  1048576 kB\nMemFree: 1 kB\n");

    #[test]
    fn the_lowest_limit_of_a_control_group_counts() {
        for files in [
            // A container on a host with version 2: its group is mounted as the top.
            &[("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "67108864\n")][..],
            // A service of systemd, in a slice with a limit.
            &[
                ("proc/self/cgroup", "0::/a.slice/b.service\n"),
                ("sys/fs/cgroup/a.slice/memory.max", "67108864\n"),
                ("sys/fs/cgroup/a.slice/b.service/memory.max", "max\n"),
            ],
            // Version 1: the path is the host's, and only the group itself is mounted.
            &[
                ("proc/self/cgroup", "9:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "67108864\n"),
            ],
            &[
                ("proc/self/cgroup", "4:memory:/docker/1\n0::/docker/1\n"),
                ("sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "67108864\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ],
        ] {
            let root = system(&[&[MEMINFO], files].concat());
            let memory = derived(root.path());
            assert_eq!(memory.get(), 36 << 20, "{files:?}");
            let from = memory.derived_from().expect("it was derived");
            assert!(from.contains("64MiB"), "{from}");
        }
    }

    #[test]
    fn without_a_limit_half_of_the_machine_counts() {
        for files in [
            &[][..],
            &[("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "max\n")],
            &[
                ("proc/self/cgroup", "4:memory:/\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ],
        ] {
            let root = system(&[&[MEMINFO], files].concat());
            assert_eq!(derived(root.path()).get(), 512 << 20, "{files:?}");
        }
        assert_eq!(derived(system(&[]).path()).get(), 256 << 20);
    }

    #[test]
    fn the_budget_of_a_small_container_is_a_quarter_of_its_limit() {
        let small = ("sys/fs/cgroup/memory.max", "20971520\n");
        let root = system(&[MEMINFO, ("proc/self/cgroup", "0::/\n"), small]);
        assert_eq!(derived(root.path()).get(), 5 << 20);
    }

    #[test]
    fn a_size_is_taken_as_it_is() {
        let read = |text: &str| Memory::read(&Value::String(text.to_owned()));
        let memory = read("64MiB").expect("it is valid");
        assert_eq!((memory.get(), memory.derived_from()), (64 << 20, None));
        assert!(read("auto").is_ok());
        for wrong in ["", "1MiB", "4", "much", "-4MiB"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
