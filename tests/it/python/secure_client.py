"""Calls the server at the first address over TLS, and asks for its health. It trusts the authority
of the second argument. If there are four arguments, it shows the certificate of the third with the
key of the fourth. Prints the result of each request."""

import sys
from pathlib import Path

import grpc
import tutorial_pb2
import tutorial_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

address, authority, *identity = sys.argv[1:]
certificate, key = [Path(file).read_bytes() for file in identity] or (None, None)
credentials = grpc.ssl_channel_credentials(Path(authority).read_bytes(), key, certificate)

# Two channels, because the second request must make a connection of its own.
with grpc.secure_channel(address, credentials) as channel:
    stub = tutorial_pb2_grpc.SampleServiceStub(channel)
    try:
        print(stub.Call(tutorial_pb2.SampleRequest(message="hello"), timeout=60).reply)
    except grpc.RpcError as error:
        print(error.code().name)

with grpc.secure_channel(address, credentials) as channel:
    health = health_pb2_grpc.HealthStub(channel)
    try:
        print(health.Check(health_pb2.HealthCheckRequest(), timeout=60).status)
    except grpc.RpcError as error:
        print(error.code().name)
