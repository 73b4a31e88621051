"""The memory of the server's process and of its container, sampled every 100 ms."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
INTERVAL = 0.1
MOUNT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Sample:
    """Sizes are in bytes, or None if this system does not show them. The container's memory
    includes memory of the kernel, such as for sockets. Peaks are since the start of the process."""

    at: float
    rss: int | None
    rss_peak: int | None
    container: int | None
    container_peak: int | None


class Memory:
    """The samples of one server."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.usage, self.peak = files_of_cgroup(pid)
        self.samples: list[Sample] = []

    def watch(self, seconds: float, is_enough: Callable[[], bool] = lambda: False) -> Sample:
        """Samples for `seconds`, or until `is_enough`, and returns the last sample."""
        end = time.monotonic() + seconds
        while True:
            self.samples.append(self.sample())
            left = end - time.monotonic()
            if left <= 0 or is_enough():
                return self.samples[-1]
            time.sleep(min(left, INTERVAL))

    def sample(self) -> Sample:
        status = read(Path(f"/proc/{self.pid}/status"))
        return Sample(time.monotonic(), kilobytes(status, "VmRSS"), kilobytes(status, "VmHWM"),
                      number(self.usage), number(self.peak))

    def last(self) -> Sample:
        """Returns the last sample of the living process."""
        return next((sample for sample in reversed(self.samples) if sample.rss), self.samples[-1])


def files_of_cgroup(pid: int) -> tuple[Path | None, Path | None]:
    """Returns the files with the use and the peak of the process's cgroup, of v1 or v2."""
    for line in read(Path(f"/proc/{pid}/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            folder = MOUNT / "memory" / path.lstrip("/")
            return folder / "memory.usage_in_bytes", folder / "memory.max_usage_in_bytes"
        if controllers == "" and (MOUNT / "cgroup.controllers").exists():
            folder = MOUNT / path.lstrip("/")
            return folder / "memory.current", folder / "memory.peak"
    return None, None


def kilobytes(status: str, name: str) -> int | None:
    for line in status.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None


def number(path: Path | None) -> int | None:
    text = read(path) if path else ""
    return int(text) if text else None


def read(path: Path) -> str:
    """Returns the text, or "" if the process or its container has ended."""
    try:
        return path.read_text()
    except OSError:
        return ""
