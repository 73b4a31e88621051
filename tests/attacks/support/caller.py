"""A well-behaved client: unary calls, and the result of each."""

import asyncio
from dataclasses import dataclass, field

from support import frames, grpc, hpack
from support.connection import Connection
from support.frames import Frame

# The reader of header blocks here has no dynamic table.
SETTINGS = {frames.HEADER_TABLE_SIZE: 0}
WINDOW = 1 << 30


@dataclass
class Reply:
    """A response, or how its stream ended without one (`error`)."""

    headers: dict[str, str] = field(default_factory=dict)
    data: bytes = b""
    error: str = ""

    def status(self) -> str:
        """Returns the error if there is one, or the gRPC status code, or else the HTTP status."""
        return self.error or self.headers.get("grpc-status", f"HTTP {self.headers.get(':status')}")


class Caller(Connection):
    """A connection that makes unary calls."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.replies: dict[int, Reply] = {}
        self.waiting: dict[int, asyncio.Future[Reply]] = {}
        self.block = bytearray()
        # Why the connection ended: the code of GOAWAY, if the server sent one.
        self.end = "connection ended"
        super().connection_made(transport)
        self.write(frames.window_update(0, WINDOW))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for stream in list(self.waiting):
            self._finish(stream, self.end)

    async def call(self, path: str, message: bytes, fields: hpack.Fields = (),
                   timeout: float = 2.0) -> Reply:
        """Makes a call. Raises TimeoutError if nothing comes within the timeout (seconds)."""
        if self.is_closed:
            return Reply(error=self.end)
        stream = self.request(path, fields)
        self.replies[stream] = Reply()
        self.waiting[stream] = asyncio.get_running_loop().create_future()
        self.send_data(stream, grpc.message(message), end=True)
        try:
            return await asyncio.wait_for(self.waiting[stream], timeout)
        except TimeoutError:
            self.write(frames.reset(stream))
            raise
        finally:
            self.waiting.pop(stream, None)
            self.replies.pop(stream, None)
            self.streams.pop(stream, None)

    def received(self, frame: Frame) -> None:
        if frame.type == frames.GOAWAY:
            self.end = f"GOAWAY {int.from_bytes(frame.payload[4:8], 'big')}"
        if frame.type in (frames.HEADERS, frames.CONTINUATION):
            self.block += frame.payload
            if frame.flags & frames.END_HEADERS:
                fields = hpack.read(bytes(self.block))
                self.block.clear()
                if frame.stream in self.replies:
                    self.replies[frame.stream].headers.update(fields)
        elif frame.stream in self.replies and frame.type == frames.DATA:
            self.replies[frame.stream].data += frame.payload
        super().received(frame)
        if frame.type == frames.RST_STREAM:
            self._finish(frame.stream, f"RST_STREAM {frame.number()}")
        elif frame.stream in self.replies and frame.stream not in self.streams:
            self._finish(frame.stream, "")

    def _finish(self, stream: int, error: str) -> None:
        waiting = self.waiting.get(stream)
        if waiting is not None and not waiting.done():
            reply = self.replies[stream]
            reply.error = error
            waiting.set_result(reply)
