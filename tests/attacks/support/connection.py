"""A connection to the server that can be driven by hand.

It keeps to flow control and acknowledges SETTINGS and PING, because the server disconnects peers
that do not. Everything else is up to the attack.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self, cast

from support import frames, hpack
from support.frames import Frame

# The default of `limits.streams`.
STREAMS = 200
CONNECT_TIMEOUT = 10.0
# The connections of one attack that open at the same time. If all of them did, an attacker would do
# nothing but handshakes for many seconds.
OPENING = 50


@dataclass(frozen=True)
class Target:
    """The addresses of the server."""

    host: str
    port: int
    health_port: int
    metrics_port: int
    tls: bool
    # The addresses of the attackers. Honest peers have another.
    sources: tuple[str, ...] = ()

    def source(self, number: int) -> tuple[str, int] | None:
        """Returns the local address of the attackers' connection of this number."""
        return (self.sources[number % len(self.sources)], 0) if self.sources else None


def client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


TLS = client_context()


class Connection(asyncio.Protocol):
    """A connection of HTTP/2. `streams` has the open streams, with the bytes that may be sent
    on each."""

    def __init__(self, tally: Counter, scheme: bytes, settings: dict[int, int]) -> None:
        self.tally, self.scheme, self.settings = tally, scheme, settings
        self.streams: dict[int, int] = {}
        self.window = self.stream_window = frames.DEFAULT_WINDOW
        self.is_closed = self.is_full = False
        self.next_stream = 1
        self.buffer = bytearray()
        self.changed = asyncio.Event()

    @classmethod
    async def open(cls, target: Target, tally: Counter, settings: dict[int, int] | None = None,
                   port: int | None = None,
                   source: tuple[str, int] | None = None) -> Self:
        """Connects and sends the preface. Raises OSError if that fails."""
        tls = target.tls and port is None
        scheme = hpack.HTTPS if tls else hpack.HTTP
        loop = asyncio.get_running_loop()
        _, connection = await asyncio.wait_for(
            loop.create_connection(lambda: cls(tally, scheme, settings or {}), target.host,
                                   port or target.port, ssl=TLS if tls else None,
                                   local_addr=source),
            CONNECT_TIMEOUT)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.tally["connections"] += 1
        self.write(frames.PREFACE + frames.settings(self.settings))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        self.streams.clear()
        self.changed.set()

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        self.changed.set()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        for frame in frames.take(self.buffer):
            self.received(frame)

    def received(self, frame: Frame) -> None:
        if frame.type == frames.SETTINGS and not frame.flags & frames.ACK:
            self._take_settings(frame.payload)
        elif frame.type == frames.PING and not frame.flags & frames.ACK:
            self.write(frames.frame(frames.PING, frames.ACK, 0, frame.payload))
        elif frame.type == frames.WINDOW_UPDATE and frame.stream == 0:
            self.window += frame.number()
        elif frame.type == frames.WINDOW_UPDATE and frame.stream in self.streams:
            self.streams[frame.stream] += frame.number()
        elif frame.type == frames.GOAWAY:
            self.tally["goaways"] += 1
            self.close()
        elif frame.type == frames.RST_STREAM:
            self._end(frame.stream, "resets")
        elif frame.type in (frames.DATA, frames.HEADERS) and frame.flags & frames.END_STREAM:
            self._end(frame.stream, "responses")
        self.changed.set()

    def _take_settings(self, payload: bytes) -> None:
        for at in range(0, len(payload), 6):
            if int.from_bytes(payload[at : at + 2], "big") == frames.INITIAL_WINDOW_SIZE:
                window = int.from_bytes(payload[at + 2 : at + 6], "big")
                for stream in self.streams:
                    self.streams[stream] += window - self.stream_window
                self.stream_window = window
        self.write(frames.frame(frames.SETTINGS, frames.ACK, 0))

    def _end(self, stream: int, kind: str) -> None:
        if self.streams.pop(stream, None) is not None:
            self.tally[kind] += 1

    def write(self, data: bytes) -> None:
        if not self.is_closed:
            self.tally["bytes"] += len(data)
            self.transport.write(data)

    def open_stream(self, block: bytes, flags: int = frames.END_HEADERS) -> int:
        """Sends this header block on a new stream, without END_STREAM."""
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        self.tally["requests"] += 1
        if not self.is_closed:
            self.streams[stream] = self.stream_window
        self.write(frames.frame(frames.HEADERS, flags, stream, block))
        return stream

    def request(self, path: str, fields: hpack.Fields = ()) -> int:
        return self.open_stream(hpack.request(path, fields, self.scheme))

    def room(self, stream: int) -> int:
        """Returns how many bytes of DATA can be sent on this stream now."""
        if self.is_full:
            return 0
        return max(0, min(self.window, self.streams.get(stream, 0), frames.MAX_PAYLOAD))

    def send_data(self, stream: int, data: bytes, end: bool = False) -> int:
        """Sends as much as there is room for, in one frame, and returns its length."""
        size = min(self.room(stream), len(data))
        if size:
            self.window -= size
            self.streams[stream] -= size
            flags = frames.END_STREAM if end and size == len(data) else 0
            self.write(frames.frame(frames.DATA, flags, stream, data[:size]))
        return size

    async def turn(self, progress: int) -> None:
        """Lets other connections run. Without progress in this one, waits until the server has sent
        something, the connection has ended, or it can be written to again."""
        if progress:
            await asyncio.sleep(0)
        elif not self.is_closed:
            self.changed.clear()
            await self.changed.wait()

    def close(self) -> None:
        """Ends the connection with RST, so that this machine keeps no trace of it."""
        self.is_closed = True
        self.streams.clear()
        self.transport.abort()
        self.changed.set()


Behaviour = Callable[[Connection, int], Awaitable[None]]


@dataclass
class Attack:
    """Where an attack goes, and its results so far."""

    target: Target
    tally: Counter = field(default_factory=Counter)

    async def keep(self, count: int, behave: Behaviour,
                   settings: dict[int, int] | None = None, pause: float = 0.05) -> None:
        """Keeps this number of connections open, and replaces those that end. Each runs `behave`
        with its number."""

        opening = asyncio.Semaphore(OPENING)

        async def keep_one(number: int) -> None:
            while True:
                try:
                    async with opening:
                        connection = await Connection.open(
                            self.target, self.tally, settings, source=self.target.source(number))
                except (OSError, TimeoutError):
                    self.tally["not connected"] += 1
                    await asyncio.sleep(pause)
                    continue
                try:
                    await behave(connection, number)
                finally:
                    connection.close()
                self.tally["ended"] += 1
                await asyncio.sleep(pause)

        await asyncio.gather(*(keep_one(number) for number in range(count)))
