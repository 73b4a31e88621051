"""Balances by the policy of the first argument over the servers at the further addresses. Each
line of standard input is the number of calls to make, eight at a time; then it prints "done"."""

import concurrent.futures
import json
import sys

import grpc
import tutorial_pb2
import tutorial_pb2_grpc

policy, addresses = json.loads(sys.argv[1]), sys.argv[2:]

channel = grpc.insecure_channel(
    "ipv4:" + ",".join(addresses),
    options=[
        ("grpc.service_config", json.dumps({"loadBalancingConfig": [policy]})),
        # Two addresses with a comma between them are no valid authority.
        ("grpc.default_authority", "sample"),
    ],
)
stub = tutorial_pb2_grpc.SampleServiceStub(channel)
threads = concurrent.futures.ThreadPoolExecutor(8)


def call(_):
    stub.Call(tutorial_pb2.SampleRequest(message="hello"), timeout=60, wait_for_ready=True)


for line in sys.stdin:
    # `list` raises the error of any call.
    list(threads.map(call, range(int(line))))
    print("done")
