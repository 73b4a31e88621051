"""The server in its container: half a CPU, no root, nothing to write to."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Self

from support.connection import Target

ROOT = pathlib.Path(__file__).resolve().parents[3]
PORT, HEALTH_PORT, METRICS_PORT = 9999, 9998, 9464


def docker(*arguments: str, stdin: bytes | None = None) -> str:
    """Returns the command's output. Ends the program if it fails."""
    done = subprocess.run(["docker", *arguments], input=stdin, capture_output=True, check=False,
                          env=os.environ | {"DOCKER_BUILDKIT": "0"})
    if done.returncode:
        sys.exit(f"docker {arguments[0]}: {done.stderr.decode().strip()}")
    return done.stdout.decode().strip()


def build_image(binary: pathlib.Path, tag: str) -> None:
    """Makes the image of the Dockerfile with this binary, without any registry."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    # Without the stage that compiles, because some builders run all stages in order.
    compiling = next(at for at, line in enumerate(lines) if line.endswith(" AS build"))
    prebuilt = lines.index("FROM scratch AS prebuilt")
    dockerfile = "\n".join(lines[:compiling] + lines[prebuilt:]) + "\n"
    with tempfile.TemporaryDirectory() as context:
        folder = pathlib.Path(context)
        (folder / "dist").mkdir()
        shutil.copy(binary, folder / "dist/sample-service")
        # The server runs as another user, who must be able to run the file.
        (folder / "dist/sample-service").chmod(0o755)
        (folder / "Dockerfile").write_text(dockerfile)
        docker("build", "--quiet", "--build-arg", "BINARY_FROM=prebuilt", "--tag", tag, context)


def build_binary() -> pathlib.Path:
    built = subprocess.run([ROOT / "deploy/static-binary"], stdout=subprocess.PIPE, check=True)
    return ROOT / built.stdout.decode().strip()


class Server:
    """A running container. To be used in `with`, which removes it at the end."""

    def __init__(self, image: str, network: str, certificates: pathlib.Path | None,
                 memory: str, settings: list[str]) -> None:
        options = [
            "--network", network, "--memory", memory, "--memory-swap", memory,
            "--cpus", "0.5", "--read-only", "--user", "65532:65532", "--cap-drop", "ALL",
            "--security-opt", "no-new-privileges:true", "--log-opt", "max-size=10m",
            "--env", f"SAMPLE__SERVER__HEALTH_ADDRESS=0.0.0.0:{HEALTH_PORT}",
            "--env", f"SAMPLE__METRICS__ADDRESS=0.0.0.0:{METRICS_PORT}",
        ]
        if certificates:
            options += ["--volume", f"{certificates}:/tls:ro",
                        "--env", "SAMPLE__TLS__CERTIFICATE=/tls/tls.crt",
                        "--env", "SAMPLE__TLS__KEY=/tls/tls.key"]
        for setting in settings:
            options += ["--env", setting]
        self.id = docker("run", "--detach", *options, image)
        self.has_tls = certificates is not None

    def __enter__(self) -> Self:
        try:
            docker("exec", self.id, "/sample-service", "health", "--wait-for-ready",
                   "--timeout", "30s")
            self.pid: int = self.inspect()["State"]["Pid"]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        docker("rm", "--force", self.id)

    def inspect(self) -> dict:
        return json.loads(docker("inspect", self.id))[0]

    def target(self, sources: tuple[str, ...]) -> Target:
        networks = self.inspect()["NetworkSettings"]["Networks"]
        address = next(iter(networks.values()))["IPAddress"]
        return Target(address, PORT, HEALTH_PORT, METRICS_PORT, self.has_tls, sources)

    def lives(self) -> bool:
        # Looks for the process, because a busy engine responds late.
        return pathlib.Path(f"/proc/{self.pid}").exists()

    def death(self) -> str:
        """Returns how the container ended, or "" if it runs."""
        # The engine may notice the end later than /proc shows it.
        for _ in range(50):
            state = self.inspect()["State"]
            if not state["Running"]:
                killed = ", OOM-killed" if state["OOMKilled"] else ""
                return f"exit code {state['ExitCode']}{killed}"
            if self.lives():
                return ""
            time.sleep(0.1)
        return "gone"

    def last_words(self) -> list[str]:
        """Returns the last lines of its log that are not of calls."""
        done = subprocess.run(["docker", "logs", "--tail", "1000", self.id],
                              capture_output=True, check=False)
        lines = (done.stdout + done.stderr).decode(errors="replace").splitlines()
        return [line for line in lines if " call method=" not in line][-3:]
