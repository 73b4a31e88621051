"""Makes one call to each address, and prints the code and the message of each as JSON."""

import json
import sys

import grpc
import tutorial_pb2
import tutorial_pb2_grpc

for address in sys.argv[1:]:
    # Without retries. `with` closes the channel, which would else connect again in the background.
    with grpc.insecure_channel(address, options=[("grpc.enable_retries", 0)]) as channel:
        stub = tutorial_pb2_grpc.SampleServiceStub(channel)
        try:
            response = stub.Call(tutorial_pb2.SampleRequest(message="hello"), timeout=10)
            result = ["OK", "no message" if response is None else response.reply[:40]]
        except grpc.RpcError as error:
            result = [error.code().name, error.details()]
        except Exception as error:
            result = [type(error).__name__, str(error)]
    print(json.dumps(result), flush=True)
