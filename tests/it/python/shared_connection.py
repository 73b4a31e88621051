"""Checks that late and oversized calls of grpcio do not end other calls of the same channel."""

import os
import signal
import sys

import grpc
import tutorial_pb2
import tutorial_pb2_grpc

address, process, oversized = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
stub = tutorial_pb2_grpc.SampleServiceStub(grpc.insecure_channel(address))


def call(text, timeout=120):
    return stub.Call.future(tutorial_pb2.SampleRequest(message=text), timeout=timeout)


def assert_ok(calls):
    for call in calls:
        assert call.code() is grpc.StatusCode.OK, (call.code(), call.details())


assert_ok([call("first")])

for _ in range(5):
    innocent = [call("before") for _ in range(10)]
    os.kill(process, signal.SIGSTOP)
    late = [call("late", timeout=0.05) for _ in range(40)]
    innocent += [call("meanwhile") for _ in range(10)]
    # Each late call has ended, and was reset, before the server continues.
    codes = {call.code() for call in late}
    os.kill(process, signal.SIGCONT)
    assert codes == {grpc.StatusCode.DEADLINE_EXCEEDED}, codes
    assert_ok(innocent)
print("late calls ended alone")

large = "x" * 20_000
done = 0
while done < oversized:
    innocent = [call("innocent")]
    calls = [call(large) for _ in range(100)]
    codes = {call.code() for call in calls}
    assert codes == {grpc.StatusCode.RESOURCE_EXHAUSTED}, codes
    assert_ok(innocent)
    done += len(calls)
print("oversized calls ended alone")
