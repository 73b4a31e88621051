"""Messages of gRPC and of the sample service."""

import struct
import zlib

MIB = 1 << 20
# The default of `limits.message`.
MAX_MESSAGE = 4 * MIB

CALL = "/SampleService/Call"
HEALTH_CHECK = "/grpc.health.v1.Health/Check"
HEALTH_WATCH = "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"


def prefix(length: int, compressed: bool = False) -> bytes:
    """The prefix of a message: whether it is compressed, and its length."""
    return bytes([compressed]) + length.to_bytes(4, "big")


def message(payload: bytes, compressed: bool = False) -> bytes:
    return prefix(len(payload), compressed) + payload


def sample_request(text: bytes) -> bytes:
    """A SampleRequest: field 1, with the length and the bytes of the text."""
    length, varint = len(text), bytearray()
    while length >= 0x80:
        varint.append(length & 0x7F | 0x80)
        length >>= 7
    varint.append(length)
    return b"\x0a" + bytes(varint) + text


def largest_request() -> bytes:
    """A request as large as `limits.message` allows, of zeros."""
    overhead = len(sample_request(bytes(MAX_MESSAGE))) - MAX_MESSAGE
    return sample_request(bytes(MAX_MESSAGE - overhead))


def gzip(start: bytes, mebibytes: int = 0) -> bytes:
    """Compresses these bytes and then this number of MiB of zeros, but the zeros only once."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    out = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    out += compressor.compress(start) + compressor.flush(zlib.Z_FULL_FLUSH)
    # Data after a full flush does not refer to data before it, so the zeros can be repeated.
    zeros = compressor.compress(bytes(MIB)) + compressor.flush(zlib.Z_FULL_FLUSH)
    out += zeros * mebibytes + compressor.flush()
    crc = zlib.crc32(bytes(mebibytes * MIB), zlib.crc32(start))
    return out + struct.pack("<II", crc, len(start) + mebibytes * MIB)
