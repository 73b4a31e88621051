"""Frames of HTTP/2 (RFC 9113, section 4), made and read by hand.

A library would refuse to send most of what the attacks need.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = 9
DEFAULT_WINDOW = 65_535
# The largest payload that every peer takes (SETTINGS_MAX_FRAME_SIZE).
MAX_PAYLOAD = 16 * 1024

# Types.
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
CONTINUATION = 9
# Flags.
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
# Settings.
HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE = 0x1, 0x4
# Error codes.
CANCEL = 0x8


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that was received."""

    type: int
    flags: int
    stream: int
    payload: bytes

    def number(self) -> int:
        """Returns the number that RST_STREAM and WINDOW_UPDATE consist of."""
        return int.from_bytes(self.payload[:4], "big")


def frame(type: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return head(len(payload), type, flags, stream) + payload


def head(length: int, type: int, flags: int, stream: int) -> bytes:
    """The head of a frame, for frames whose payload does not follow completely."""
    return struct.pack(">BHBBI", length >> 16, length & 0xFFFF, type, flags, stream)


def settings(values: dict[int, int]) -> bytes:
    payload = b"".join(struct.pack(">HI", key, value) for key, value in values.items())
    return frame(SETTINGS, 0, 0, payload)


def window_update(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, increment.to_bytes(4, "big"))


def reset(stream: int) -> bytes:
    return frame(RST_STREAM, 0, stream, CANCEL.to_bytes(4, "big"))


def take(buffer: bytearray) -> Iterator[Frame]:
    """Yields the frames that are complete, and removes them from the buffer."""
    at = 0
    try:
        while len(buffer) - at >= HEAD:
            high, low, type, flags, stream = struct.unpack_from(">BHBBI", buffer, at)
            end = at + HEAD + (high << 16 | low)
            if len(buffer) < end:
                break
            payload = bytes(buffer[at + HEAD : end])
            at = end
            yield Frame(type, flags, stream & 0x7FFF_FFFF, payload)
    finally:
        del buffer[:at]
