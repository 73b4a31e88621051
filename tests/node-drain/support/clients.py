"""The clients, each with a name that is in the request id of its calls."""

import json
import pathlib
import subprocess
import sys

# Calls a second of each client.
RATE = 50

CALLER = pathlib.Path(__file__).parent / "grpcio_caller.py"


class Client:
    def __init__(self, name: str, command: list[str]) -> None:
        self.name = name
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def codes(self) -> tuple[dict[str, int], dict[str, str]]:
        """Waits for the end. Returns how many calls had each code, and an error of each."""
        output, _ = self._process.communicate()
        seen = json.loads(output)
        return seen["codes"], seen["errors"]


def load(name: str, binary: pathlib.Path, address: str, connections: int, seconds: float) -> Client:
    return Client(name, [
        str(binary), "load", f"--address={address}", f"--connections={connections}",
        f"--rate={RATE}", f"--duration={seconds:g}s", f"--metadata=x-request-id={name}", "--json",
        "--allow-errors",
    ])


def grpcio(name: str, address: str, seconds: float) -> Client:
    return Client(name, [sys.executable, str(CALLER), f"dns:///{address}", str(RATE), str(seconds)])
