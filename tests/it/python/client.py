"""Calls the server at the address of the first argument with the tutorial's stubs."""

import sys

import grpc
import tutorial_pb2
import tutorial_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

with grpc.insecure_channel(sys.argv[1]) as channel:
    stub = tutorial_pb2_grpc.SampleServiceStub(channel)
    for message in ["", "test message", "こんにちは", "👋🏽🎉", "x" * 1024 * 1024]:
        response = stub.Call(tutorial_pb2.SampleRequest(message=message), timeout=60)
        assert response.reply == "reply for " + message, message[:20]

    # The same without stubs: the path and the bytes on the wire.
    raw = channel.unary_unary("/SampleService/Call")(b"\x0a\x02hi", timeout=60)
    assert raw == b"\x0a\x0creply for hi", raw

    health = health_pb2_grpc.HealthStub(channel)
    for name in ["", "SampleService"]:
        response = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=60)
        assert response.status == health_pb2.HealthCheckResponse.SERVING, name

print("all replies are right")
