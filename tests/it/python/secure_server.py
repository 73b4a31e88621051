"""The tutorial's server over TLS, on a free port that it prints, with the certificate and the key
of the first two arguments. If there is a third, only clients of the authority in it are served."""

import sys
from concurrent import futures
from pathlib import Path

import grpc
import tutorial_pb2
import tutorial_pb2_grpc


class SampleService(tutorial_pb2_grpc.SampleServiceServicer):
    def Call(self, request, context):
        return tutorial_pb2.SampleResponse(reply="reply for " + request.message)


certificate, key, *authorities = [Path(file).read_bytes() for file in sys.argv[1:]]
credentials = grpc.ssl_server_credentials(
    [(key, certificate)], *authorities, require_client_auth=bool(authorities)
)
server = grpc.server(futures.ThreadPoolExecutor(max_workers=5))
tutorial_pb2_grpc.add_SampleServiceServicer_to_server(SampleService(), server)
port = server.add_secure_port("127.0.0.1:0", credentials)
server.start()
print("port", port, flush=True)
server.wait_for_termination()
