"""Frames of zstd (RFC 8878) by hand: Python's own library cannot make any before 3.14."""

MAGIC = b"\x28\xb5\x2f\xfd"
MAX_BLOCK = 128 * 1024
RAW, RLE = 0, 1


def frame(start: bytes, zeros: int, window_log: int = 17) -> bytes:
    """These bytes and then zeros, which cost 4 bytes for every 128 KiB. A decoder needs a window
    of 2 to the power of `window_log` bytes, from 10 to 41."""
    out = bytearray(MAGIC + bytes([0, (window_log - 10) << 3]))
    out += block(RAW, len(start), last=zeros == 0) + start
    while zeros:
        size = min(zeros, MAX_BLOCK, 1 << window_log)
        zeros -= size
        out += block(RLE, size, last=zeros == 0) + b"\0"
    return bytes(out)


def block(type: int, size: int, last: bool) -> bytes:
    return (size << 3 | type << 1 | last).to_bytes(3, "little")
