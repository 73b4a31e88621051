"""The tutorial's server, on a free port that it prints; it prints each request's bytes.

With the argument gzip it compresses its responses for clients that accept that.
"""

import sys
from concurrent import futures

import grpc
import tutorial_pb2
import tutorial_pb2_grpc
from grpc_health.v1 import health, health_pb2_grpc


class SampleService(tutorial_pb2_grpc.SampleServiceServicer):
    def Call(self, request, context):
        raw = request.SerializeToString()
        print("request", len(raw), raw[:8].hex(), flush=True)
        remaining = context.time_remaining()
        if remaining is None or remaining > 60:
            context.abort(grpc.StatusCode.INTERNAL, f"no deadline was sent: {remaining}")
        if request.message == "refuse this":
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "not for you")
        return tutorial_pb2.SampleResponse(reply="reply for " + request.message)


compression = grpc.Compression.Gzip if sys.argv[1:] == ["gzip"] else None
server = grpc.server(futures.ThreadPoolExecutor(max_workers=5), compression=compression)
health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
tutorial_pb2_grpc.add_SampleServiceServicer_to_server(SampleService(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print("port", port, flush=True)
server.wait_for_termination()
