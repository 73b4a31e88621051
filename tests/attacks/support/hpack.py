"""Header blocks (RFC 7541): literals to send, and enough to read a gRPC response.

The reader has no dynamic table, so its connection must announce HEADER_TABLE_SIZE 0. It does not
know the Huffman code, which the server does not use.
"""

from collections.abc import Iterable

# The pseudo-headers of the static table that requests and responses have.
POST, HTTP, HTTPS, ROOT = b"\x83", b"\x86", b"\x87", b"\x84"
AUTHORITY, PATH = 1, 4
STATUSES = {8: "200", 9: "204", 10: "206", 11: "304", 12: "400", 13: "404", 14: "500"}
# The first index of the dynamic table: the field that was added last.
NEWEST = b"\xbe"

Fields = Iterable[tuple[str, str]]


def integer(value: int, prefix_bits: int, first: int = 0) -> bytes:
    """A number (section 5.1), after the bits of `first`."""
    limit = (1 << prefix_bits) - 1
    if value < limit:
        return bytes([first | value])
    out = bytearray([first | limit])
    value -= limit
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def text(value: str) -> bytes:
    raw = value.encode()
    return integer(len(raw), 7) + raw


def literal(name: str, value: str) -> bytes:
    """A field that is not added to the dynamic table."""
    return b"\x00" + text(name) + text(value)


def indexed_literal(name: str, value: str) -> bytes:
    """A field that is added to the dynamic table, and can be repeated with one byte."""
    return b"\x40" + text(name) + text(value)


def named_literal(index: int, value: str) -> bytes:
    """A field whose name is in the static table."""
    return integer(index, 4) + text(value)


def request(path: str, fields: Fields = (), scheme: bytes = HTTP) -> bytes:
    """The header block of a gRPC request."""
    block = POST + scheme + named_literal(PATH, path) + named_literal(AUTHORITY, "server")
    for name, value in (("te", "trailers"), ("content-type", "application/grpc"), *fields):
        block += literal(name, value)
    return block


def read(block: bytes) -> dict[str, str]:
    """Returns the fields of a response. Fields whose names are in the static table, other
    than `:status`, are left out. Raises ValueError if a text is in the Huffman code."""
    fields, at = {}, 0
    while at < len(block):
        first = block[at]
        if first & 0x80:
            index, at = _integer(block, at, 7)
            if index in STATUSES:
                fields[":status"] = STATUSES[index]
            continue
        if first & 0xE0 == 0x20:
            _, at = _integer(block, at, 5)
            continue
        index, at = _integer(block, at, 6 if first & 0x40 else 4)
        name, at = (None, at) if index else _text(block, at)
        value, at = _text(block, at)
        if index in STATUSES:
            fields[":status"] = value
        elif name is not None:
            fields[name] = value
    return fields


def _integer(block: bytes, at: int, prefix_bits: int) -> tuple[int, int]:
    limit = (1 << prefix_bits) - 1
    value = block[at] & limit
    at += 1
    if value < limit:
        return value, at
    shift = 0
    while True:
        value += (block[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not block[at - 1] & 0x80:
            return value, at


def _text(block: bytes, at: int) -> tuple[str, int]:
    if block[at] & 0x80:
        raise ValueError("the response uses the Huffman code")
    length, at = _integer(block, at, 7)
    return block[at : at + length].decode("latin-1"), at + length
