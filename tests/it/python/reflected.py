"""A server of the service in acme/everything.proto, on a free port that it prints.

    reflected.py FOLDER serve               with reflection v1alpha, the only one of grpcio
    reflected.py FOLDER serve-silently      without reflection
    reflected.py FOLDER descriptors FILE    writes the descriptor set to a file instead

Its methods ToJson and FromJson map messages as Google's own library does.
"""

import sys
import threading
from concurrent import futures

import grpc

FOLDER, COMMAND = sys.argv[1], sys.argv[2]
sys.path.insert(0, FOLDER)

if COMMAND == "descriptors":
    from grpc_tools import protoc

    well_known = protoc.__file__.rsplit("/", 1)[0] + "/_proto"
    sys.exit(protoc.main(["protoc", f"-I{FOLDER}", f"-I{well_known}", "--include_imports",
                          f"--descriptor_set_out={sys.argv[3]}", "acme/everything.proto"]))

from google.protobuf import json_format
from grpc_reflection.v1alpha import reflection

protos, services = grpc.protos_and_services("acme/everything.proto")
money_protos = grpc.protos("acme/common/money.proto")


class Things(services.ThingsServicer):
    def Get(self, request, context):
        if request.f_string == "refuse":
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "not\x1b[31m for you")
        return request

    def Watch(self, request, context):
        for units in range(request.f_int32):
            yield money_protos.Money(currency="EUR", units=units)
        if request.f_string == "refuse":
            context.abort(grpc.StatusCode.ABORTED, "enough")
        if request.f_string == "last":
            ended = threading.Event()
            if context.add_callback(ended.set):
                ended.wait()

    def ToJson(self, request, context):
        return protos.Note(text=json_format.MessageToJson(request, indent=None))

    def FromJson(self, request, context):
        return json_format.Parse(request.text, protos.Everything())


server = grpc.server(futures.ThreadPoolExecutor(max_workers=5))
services.add_ThingsServicer_to_server(Things(), server)
if COMMAND == "serve":
    reflection.enable_server_reflection(["acme.Things", reflection.SERVICE_NAME], server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print("port", port, flush=True)
server.wait_for_termination()
