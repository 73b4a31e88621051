"""Calls the servers at the addresses of the arguments, balanced, from eight threads at once,
until standard input ends; prints the results as JSON."""

import collections
import json
import sys
import threading

import grpc
import tutorial_pb2
import tutorial_pb2_grpc

counts = collections.Counter()
failed = collections.Counter()
ending = threading.Event()

channel = grpc.insecure_channel(
    "ipv4:" + ",".join(sys.argv[1:]),
    options=[
        ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
        # Two addresses with a comma between them are no valid authority.
        ("grpc.default_authority", "sample"),
        # Reconnects soon to a server that is back.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 500),
    ],
)
stub = tutorial_pb2_grpc.SampleServiceStub(channel)


def call():
    while not ending.is_set():
        try:
            stub.Call(tutorial_pb2.SampleRequest(message="hello"), timeout=60)
            counts["succeeded"] += 1
        except grpc.RpcError as error:
            failed[f"{error.code().name}: {error.details()}"] += 1


threads = [threading.Thread(target=call) for _ in range(8)]
for thread in threads:
    thread.start()
sys.stdin.read()
ending.set()
for thread in threads:
    thread.join()
print(json.dumps({"succeeded": counts["succeeded"], "failed": failed}))
