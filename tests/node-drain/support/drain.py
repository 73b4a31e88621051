"""The drain, and the times of its steps."""

import contextlib
import dataclasses
import fcntl
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time

from . import clients
from .cluster_ip import ClusterIp
from .dns import TIME_TO_LIVE, Dns
from .pods import PORT, READY_AFTER, Pod

NAME = "sample-service-headless.default.svc.cluster.local"
CLUSTER_IP = "127.0.2.1"

# When the pods are deleted, in seconds: kubectl tries an eviction that the budget forbids again
# every 5 s. The last replacement is ready after 17 s.
DELETIONS = (0.0, 7.5, 15.0)

# How long each client makes calls before the drain, in seconds. The clients resolve the name just
# before it, so grpcio does so again 29 s after the drain begins at the earliest.
BEFORE = 1.0

# When another client makes DNS keep an answer: the first replacement is not ready yet, and the
# answer is kept until the clients resolve the name again.
OTHER_QUERY = 1.0

# The window in which the share of the calls on the first lame duck is measured.
WINDOW = (5.0, 7.0)


@dataclasses.dataclass
class Seen:
    settings: dict[str, str]
    # Per client: calls by code, an error of each code, and the share in the window.
    codes: dict[str, dict[str, int]]
    errors: dict[str, dict[str, str]]
    shares: dict[str, float]
    # The exit codes of the deleted pods, and how many seconds they took to end.
    exit_codes: list[int]
    took: list[float]


def base_settings(root: pathlib.Path) -> dict[str, str]:
    """Returns the settings of deploy/kubernetes/base."""
    lines = (root / "deploy/kubernetes/base/settings.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def run(binary: pathlib.Path, settings: dict[str, str]) -> Seen:
    start_network()
    dns = Dns(NAME)
    ClusterIp(CLUSTER_IP, PORT, lambda: dns.endpoints)
    pods = [Pod(binary, settings, number) for number in range(1, 4)]
    with contextlib.ExitStack() as cleanup:
        for pod in pods:
            cleanup.callback(pod.stop)
        time.sleep(READY_AFTER)
        dns.endpoints = [pod.address for pod in pods]
        seconds = duration(settings)
        say(f"three servers for {seconds:g} s, with lame duck "
            f"{settings['SAMPLE__SHUTDOWN__LAME_DUCK']}")
        callers = [
            clients.load("load", binary, f"{NAME}:{PORT}", 1, seconds),
            clients.grpcio("grpcio", f"{NAME}:{PORT}", seconds),
            # Each of its connections is with one pod.
            clients.load("load, ClusterIP", binary, f"{CLUSTER_IP}:{PORT}", 12, seconds),
        ]
        wait_for_a_call_of_each(callers, pods)
        time.sleep(BEFORE)
        dns.let_expire_in(OTHER_QUERY - 0.1)
        drain(binary, settings, dns, pods, cleanup)
        results = {client.name: client.codes() for client in callers}
        exit_codes = [pod.exit_code() for pod in pods[:3]]
        return Seen(
            settings=settings,
            codes={name: codes for name, (codes, _) in results.items()},
            errors={name: errors for name, (_, errors) in results.items()},
            shares={name: share(name, pods) for name in results},
            exit_codes=exit_codes,
            took=[pod.ended - pod.deleted for pod in pods[:3]],
        )


def wait_for_a_call_of_each(callers: list[clients.Client], pods: list[Pod]) -> None:
    names = {client.name for client in callers}
    deadline = time.monotonic() + 60
    while names - {name for pod in pods for name, _ in pod.calls()}:
        if time.monotonic() > deadline:
            sys.exit("a client made no call")
        time.sleep(0.1)


def drain(binary: pathlib.Path, settings: dict[str, str], dns: Dns, pods: list[Pod],
          cleanup: contextlib.ExitStack) -> None:
    """Replaces the three pods, and adds the replacements to `pods`."""
    begin = time.monotonic()

    def at(seconds: float) -> None:
        time.sleep(max(0.0, begin + seconds - time.monotonic()))

    for number, (when, old) in enumerate(zip(DELETIONS, pods[:3])):
        at(when)
        say(f"deleted: {old.address}")
        # An endpoint that is being deleted is not in DNS.
        dns.endpoints = [address for address in dns.endpoints if address != old.address]
        old.delete()
        new = Pod(binary, settings, 11 + number)
        cleanup.callback(new.stop)
        pods.append(new)
        if number == 0:
            at(OTHER_QUERY)
            dns.resolve()
        at(when + READY_AFTER)
        dns.endpoints = [*dns.endpoints, new.address]
        say(f"ready: {new.address}")


def duration(settings: dict[str, str]) -> float:
    """Returns for how long the clients call: until the last pod has ended, and until clients that
    have only old addresses have resolved the name again twice; 10 s are for the start."""
    lame_duck = re.fullmatch(r"(\d+)s", settings["SAMPLE__SHUTDOWN__LAME_DUCK"])
    if lame_duck is None:
        sys.exit("the lame duck time must be in seconds, such as 35s")
    return 10 + max(DELETIONS[-1] + int(lame_duck[1]), 2 * TIME_TO_LIVE)


def share(client: str, pods: list[Pod]) -> float:
    """Returns the share of a client's calls in the window that the first lame duck has served."""
    first = pods[0].deleted

    def count(pod: Pod) -> int:
        return sum(name == client and WINDOW[0] <= when - first < WINDOW[1]
                   for name, when in pod.calls())

    counts = [count(pod) for pod in pods]
    return counts[0] / max(1, sum(counts))


def start_network() -> None:
    """Brings up the loopback interface, and makes this machine ask the simulated DNS."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        # SIOCSIFFLAGS with IFF_UP.
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))
    for path, text in (("/etc/resolv.conf", "nameserver 127.0.0.1\n"),
                       ("/etc/nsswitch.conf", "hosts: files dns\n")):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(text)
            file.flush()
            there = pathlib.Path(path).resolve()
            subprocess.run(["mount", "--bind", file.name, there], check=True)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
