"""The memory of the server's process and of its container, sampled every 100 ms."""

import pathlib
import time
from collections.abc import Callable
from dataclasses import dataclass

MIB = 1 << 20
INTERVAL = 0.1
MOUNT = pathlib.Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Sample:
    """In bytes; None if this system does not show it. `cgroup` counts the kernel's memory
    too, that of sockets for example."""

    at: float
    rss: int | None
    cgroup: int | None


class Memory:
    """The samples of one server."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.usage = usage_file(pid)
        self.samples: list[Sample] = []

    def watch(self, seconds: float, is_enough: Callable[[], bool] = lambda: False) -> Sample:
        """Samples for this long, or until it is enough, and returns the last sample."""
        end = time.monotonic() + seconds
        while True:
            self.samples.append(self.sample())
            left = end - time.monotonic()
            if left <= 0 or is_enough():
                return self.samples[-1]
            time.sleep(min(left, INTERVAL))

    def sample(self) -> Sample:
        return Sample(time.monotonic(), self._rss(), read_number(self.usage))

    def _rss(self) -> int | None:
        try:
            status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return None
        pages = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(pages[0]) * 1024 if pages else None

    def peak(self, since: float) -> tuple[int | None, int | None]:
        """Returns the largest RSS and the largest use of the container since then."""
        samples = [sample for sample in self.samples if sample.at >= since]
        return (max((s.rss for s in samples if s.rss), default=None),
                max((s.cgroup for s in samples if s.cgroup), default=None))


def usage_file(pid: int) -> pathlib.Path | None:
    """Returns the file with the use of the process's cgroup, of v1 or v2."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            return MOUNT / "memory" / path.lstrip("/") / "memory.usage_in_bytes"
        if controllers == "" and (MOUNT / "cgroup.controllers").exists():
            return MOUNT / path.lstrip("/") / "memory.current"
    return None


def read_number(path: pathlib.Path | None) -> int | None:
    try:
        return int(path.read_text()) if path else None
    except OSError:
        return None
