"""The observers of the server during an attack, in a process of their own: an honest client, and
the probes that a platform and Prometheus make.

The client makes a small call every 20 ms on its own connection, and each probe makes a new
connection. All begin on schedule, even if earlier ones have not ended. Otherwise a server that
stalls would get fewer of them, and its latencies would look better than they are.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe

from support import grpc
from support.caller import SETTINGS, Caller
from support.connection import Target

DEADLINE = 2.0
HONEST_INTERVAL, PROBE_INTERVAL = 0.02, 0.1
HEALTH, HONEST = "health", "honest"
PROBES = (HEALTH, "/livez", "/readyz", "/metrics")
OK, REFUSED = "ok", "refused"
RESOURCE_EXHAUSTED = "8"
SERVING = b"\x08\x01"


@dataclass(frozen=True)
class Outcome:
    """The result of a call or a probe that began at this time.monotonic(). `latency` is in
    seconds, and so is `late`, the time from when it was due until this process began it."""

    who: str
    begin: float
    late: float
    latency: float
    # OK, REFUSED (with a hint when to try again), or what went wrong.
    result: str


def observe(target: Target, pipe: Pipe) -> None:
    """Watches until the pipe has a message, and then sends the outcomes into it."""
    try:
        asyncio.run(Observer(target).run(pipe))
    except KeyboardInterrupt:
        pass


class Observer:
    def __init__(self, target: Target) -> None:
        self.target = target
        self.outcomes: list[Outcome] = []
        self.running: set[asyncio.Task] = set()
        self.caller: Caller | None = None
        self.connecting = asyncio.Lock()

    async def run(self, pipe: Pipe) -> None:
        schedules = [self._repeat(HONEST, HONEST_INTERVAL, self._honest_call)]
        for probe in PROBES:
            once = self._health if probe == HEALTH else self._http(probe)
            schedules.append(self._repeat(probe, PROBE_INTERVAL, once))
        tasks = [asyncio.create_task(schedule) for schedule in schedules]
        while not pipe.poll():
            await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*self.running)
        pipe.send(self.outcomes)

    async def _repeat(self, who: str, interval: float, once: Callable[[], Awaitable[str]]) -> None:
        due = time.monotonic()
        while True:
            task = asyncio.create_task(self._record(who, due, once))
            self.running.add(task)
            task.add_done_callback(self.running.discard)
            due += interval
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _record(self, who: str, due: float, once: Callable[[], Awaitable[str]]) -> None:
        begin = time.monotonic()
        try:
            result = await asyncio.wait_for(once(), DEADLINE)
        except TimeoutError:
            result = "no answer in time"
        except (OSError, EOFError) as error:
            result = f"not connected: {type(error).__name__}"
        self.outcomes.append(Outcome(who, begin, begin - due, time.monotonic() - begin, result))

    async def _honest_call(self) -> str:
        async with self.connecting:
            if self.caller is None or self.caller.is_closed:
                self.caller = await Caller.open(self.target, Counter(), SETTINGS)
        fields = [("grpc-timeout", f"{int(DEADLINE * 1000)}m")]
        reply = await self.caller.call(grpc.CALL, grpc.sample_request(b"hello"), fields, DEADLINE)
        status = reply.status()
        if status == "0":
            return OK if b"reply for hello" in reply.data else "wrong response"
        if status == RESOURCE_EXHAUSTED:
            hinted = "grpc-retry-pushback-ms" in reply.headers
            return REFUSED if hinted else "refused without a hint"
        return f"status {status}"

    async def _health(self) -> str:
        caller = await Caller.open(self.target, Counter(), SETTINGS, self.target.health_port)
        try:
            reply = await caller.call(grpc.HEALTH_CHECK, b"", timeout=DEADLINE)
        finally:
            caller.close()
        if reply.status() != "0":
            return f"status {reply.status()}"
        return OK if reply.data.endswith(SERVING) else "not serving"

    def _http(self, path: str) -> Callable[[], Awaitable[str]]:
        async def once() -> str:
            reader, writer = await asyncio.open_connection(self.target.host,
                                                           self.target.metrics_port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n"
                             .encode())
                response = await reader.read(1 << 20)
                while more := await reader.read(1 << 20):
                    response += more
            finally:
                writer.transport.abort()
            status = re.match(rb"HTTP/1.1 (\d+)", response)
            if status is None:
                return "no response"
            return OK if status[1] == b"200" else f"HTTP {status[1].decode()}"

        return once
