"""Calls the service of web/service.proto at the address of the first argument with connectrpc."""

import itertools
import sys

from acme.common.money_pb2 import Color, Money
from acme.everything_pb2 import Everything
from connectrpc.client import ResponseMetadata
from connectrpc.code import Code
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec
from connectrpc.compression.gzip import GzipCompression
from connectrpc.compression.zstd import ZstdCompression
from connectrpc.errors import ConnectError
from connectrpc.protocol import ProtocolType
from pyqwest import HTTPVersion, SyncClient, SyncHTTPTransport
from web.service_connect import WebServiceClientSync
from web.service_pb2 import Order

CONNECT, GRPC, GRPC_WEB = ProtocolType.CONNECT, ProtocolType.GRPC, ProtocolType.GRPC_WEB

CODES = {
    Code.CANCELED: 1,
    Code.UNKNOWN: 2,
    Code.INVALID_ARGUMENT: 3,
    Code.DEADLINE_EXCEEDED: 4,
    Code.NOT_FOUND: 5,
    Code.ALREADY_EXISTS: 6,
    Code.PERMISSION_DENIED: 7,
    Code.RESOURCE_EXHAUSTED: 8,
    Code.FAILED_PRECONDITION: 9,
    Code.ABORTED: 10,
    Code.OUT_OF_RANGE: 11,
    Code.UNIMPLEMENTED: 12,
    Code.INTERNAL: 13,
    Code.UNAVAILABLE: 14,
    Code.DATA_LOSS: 15,
    Code.UNAUTHENTICATED: 16,
}


def everything():
    """A message in which each kind of field is set."""
    message = Everything(
        f_double=0.1,
        f_float=1e-7,
        f_int32=-(2**31),
        f_int64=-(2**63),
        f_uint32=2**32 - 1,
        f_uint64=2**64 - 1,
        f_sint32=-5,
        f_sint64=2**63 - 1,
        f_fixed32=7,
        f_fixed64=2**53 + 1,
        f_sfixed32=-7,
        f_sfixed64=-(2**53) - 1,
        f_bool=True,
        f_string='"\\\u2028\x00👋</script>',
        f_bytes=bytes(range(256)),
        color=Color.BLUE,
        price=Money(currency="EUR", units=3),
        packed=[1, -1],
        expanded=[2**40, -(2**40)],
        words=["", "a"],
        prices=[Money(), Money(units=1)],
        colors=[Color.RED, 77],
        maybe=0,
        maybe_text="",
        number_choice=2**60,
        boxed_int={"value": 0},
        boxed_string={"value": ""},
        boxed_bool={"value": False},
        boxed_bytes={"value": b"\xff"},
        boxed_double={"value": float("-inf")},
    )
    message.money_by_name["a"].units = 9
    message.color_by_number[-1] = Color.RED
    message.bytes_by_bool[True] = b"\x00"
    message.inner.kind = message.inner.SOME
    message.inner.money.note = "n"
    message.self.self.f_double = float("nan")
    message.time.FromJsonString("1969-12-31T23:59:59.000000001Z")
    message.length.FromNanoseconds(-1_500_000_000)
    message.mask.FromJsonString("fInt32,self.fBool")
    message.object.update({"a": [1, None, {"b": "c"}], "d": True})
    message.value.number_value = 1.5
    message.list.extend([None, "x", [1]])
    message.any.Pack(Money(currency="CHF", units=4))
    message.empty.SetInParent()
    message.values.add().null_value = 0
    message.values.add().string_value = "s"
    return message


def check_errors(client):
    detail = Money(currency="EUR", units=2)
    for code, number in CODES.items():
        order = Order(code=number, problem="no \n👋", replies=1)
        order.details.add().Pack(detail)
        for call in [
            lambda: client.unary(order),
            lambda: list(client.server_stream(order)),
            lambda: client.client_stream(iter([order])),
        ]:
            try:
                reply = call()
            except ConnectError as error:
                assert (error.code, error.message) == (code, order.problem), (number, error)
                (received,) = error.details
                assert received.type_name == "acme.common.Money", received.type_name
                assert Money.FromString(received.message_bytes) == detail
            else:
                raise AssertionError((number, reply))


def check_metadata(client):
    sent = {"x-echo": "one", "x-echo-bin": "AAEC", "x-trail": "two", "x-trail-bin": "/w"}
    for call in [
        lambda: client.unary(Order(), headers=sent),
        lambda: list(client.server_stream(Order(replies=1), headers=sent)),
    ]:
        with ResponseMetadata() as metadata:
            call()
        headers, trailers = dict(metadata.headers), dict(metadata.trailers)
        assert (headers["x-echo"], headers["x-echo-bin"]) == ("one", "AAEC"), headers
        assert (trailers["x-trail"], trailers["x-trail-bin"]) == ("two", "/w"), trailers


def check_timeouts(client, protocol):
    # Only the server gets the deadline, and the client itself has none.
    header = {CONNECT: ("connect-timeout-ms", "100")}.get(protocol, ("grpc-timeout", "100m"))
    for arguments in [{"headers": dict([header])}, {"timeout_ms": 100}]:
        for call in [
            lambda: client.unary(Order(hangs=True), **arguments),
            lambda: list(client.server_stream(Order(hangs=True, replies=1), **arguments)),
        ]:
            try:
                call()
            except ConnectError as error:
                assert error.code == Code.DEADLINE_EXCEEDED, (arguments, error.code, error)
            else:
                raise AssertionError("it never ends")


def texts(replies):
    return [reply.text for reply in replies]


def check(version, protocol, codec, compression):
    transport = SyncHTTPTransport(http_version=version)
    client = WebServiceClientSync(
        f"http://{sys.argv[1]}",
        codec=codec,
        protocol=protocol,
        send_compression=compression,
        accept_compression=[compression] if compression else [],
        http_client=SyncClient(transport),
    )
    long = "x" * 100_000
    assert client.unary(Order(text=long)).text == "reply for " + long
    orders = [Order(text="a", replies=2), Order(text="b", replies=1)]
    assert texts(client.server_stream(orders[0])) == ["a 1", "a 2"]
    assert client.client_stream(iter(orders)).text == "a,b"
    assert texts(client.server_stream(Order(text=long, replies=2))) == [long + " 1", long + " 2"]
    if version == HTTPVersion.HTTP2:
        assert texts(client.bidi_stream(iter(orders))) == ["a 1", "a 2", "b 1"]
    if protocol == CONNECT:
        with ResponseMetadata() as metadata:
            reply = client.get(Order(text="ÿ?>~"), use_get=True, headers={"x-echo": "a"})
        assert reply.text == "reply for ÿ?>~", reply
        assert dict(metadata.headers)["x-echo"] == "a"
        try:
            client.get(Order(code=5, problem="none"), use_get=True)
        except ConnectError as error:
            assert (error.code, error.message) == (Code.NOT_FOUND, "none"), error
        else:
            raise AssertionError("it was found")
    message = everything()
    assert client.echo(message).SerializeToString(deterministic=True) == (
        message.SerializeToString(deterministic=True)
    ), client.echo(message)
    check_errors(client)
    check_metadata(client)
    check_timeouts(client, protocol)


binary, json = google_protobuf_binary_codec(), google_protobuf_json_codec()
compressions = [None, GzipCompression(), ZstdCompression()]
for version, compression in itertools.product([HTTPVersion.HTTP1, HTTPVersion.HTTP2], compressions):
    check(version, CONNECT, binary, compression)
    check(version, CONNECT, json, compression)
    check(version, GRPC_WEB, binary, compression)
for compression in compressions:
    check(HTTPVersion.HTTP2, GRPC, binary, compression)

print("all replies are right")
