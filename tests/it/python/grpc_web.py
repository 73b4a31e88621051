"""Calls the service of web/service.proto at the address of the first argument with sonora."""

import sys

import grpc
import sonora.client
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from web.service_pb2 import Order, Reply

METADATA = [("x-echo", "one"), ("x-trail", "two"), ("x-trail-bin", b"\xff\x00")]


def status_of(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("it has not failed")


with sonora.client.insecure_web_channel(f"http://{sys.argv[1]}") as channel:
    # Without stubs, because those of the newest grpcio pass an argument that sonora does not know.
    coders = Order.SerializeToString, Reply.FromString
    unary = channel.unary_unary("/web.WebService/Unary", *coders)
    server_stream = channel.unary_stream("/web.WebService/ServerStream", *coders)
    for text in ["", "こんにちは", "x" * 1024 * 1024]:
        assert unary(Order(text=text), timeout=60).text == "reply for " + text

    reply, call = unary.with_call(Order(text="a"), metadata=METADATA)
    assert dict(call.initial_metadata())["x-echo"] == "one"
    # sonora encodes binary metadata, and does not decode it.
    trailers = dict(call.trailing_metadata())
    assert (trailers["x-trail"], trailers["x-trail-bin"]) == ("two", "/wA="), trailers

    stream = server_stream(Order(text="a", replies=3))
    assert [reply.text for reply in stream] == ["a 1", "a 2", "a 3"]

    for code in list(grpc.StatusCode)[1:]:
        order = Order(code=code.value[0], problem="no 👋", replies=1)
        for call in [lambda: unary(order), lambda: list(server_stream(order))]:
            error = status_of(call)
            assert (error.code(), error.details()) == (code, "no 👋"), (code, error)

    for call in [
        lambda: unary(Order(hangs=True), metadata=[("grpc-timeout", "100m")]),
        lambda: list(server_stream(Order(hangs=True), metadata=[("grpc-timeout", "100m")])),
    ]:
        assert status_of(call).code() == grpc.StatusCode.DEADLINE_EXCEEDED

    coders = HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString
    check = channel.unary_unary("/grpc.health.v1.Health/Check", *coders)
    assert check(HealthCheckRequest()).status == HealthCheckResponse.SERVING

print("all replies are right")
