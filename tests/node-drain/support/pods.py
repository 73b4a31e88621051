"""The pods of the Deployment, and its endpoints."""

import datetime
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator

PORT = 9999
# The time from the start of a pod until it is an endpoint, in seconds.
READY_AFTER = 2


class Pod:
    """A server at an address of its own."""

    def __init__(self, binary: pathlib.Path, settings: dict[str, str], number: int) -> None:
        self.address = f"127.0.1.{number}"
        self.deleted: float | None = None
        self.ended: float | None = None
        self._folder = tempfile.TemporaryDirectory()
        self._log_file = pathlib.Path(self._folder.name) / "log"
        environment = os.environ | settings
        environment["SAMPLE__SERVER__ADDRESS"] = f"{self.address}:{PORT}"
        environment["SAMPLE__SERVER__HEALTH_ADDRESS"] = f"{self.address}:9998"
        with self._log_file.open("w") as log:
            self._process = subprocess.Popen(
                [binary, "serve"], env=environment, stdout=log, stderr=log)

    def delete(self) -> None:
        self.deleted = time.time()
        self._process.send_signal(signal.SIGTERM)
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        self._process.wait()
        self.ended = time.time()

    def exit_code(self) -> int:
        """Waits for the end of a pod that was deleted."""
        return self._process.wait(timeout=150)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def calls(self) -> Iterator[tuple[str, float]]:
        """Yields the client and the time of each call that the pod has served."""
        for line in self._log_file.read_text().splitlines(keepends=True):
            # The last line may not be complete yet.
            event = json.loads(line) if line.endswith("\n") else {}
            if event.get("message") == "call":
                yield event["request_id"], timestamp(event["timestamp"])


def timestamp(text: str) -> float:
    """Returns a time of the log as seconds since 1970."""
    return datetime.datetime.fromisoformat(text).timestamp()
