"""Checks the errors that grpcio reports: for refusals and deadlines of the server at the first
address, which has one worker, no queue and endless work, and for panics of the server at the
second."""

import sys
import time

import grpc
import tutorial_pb2
import tutorial_pb2_grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status


def failure(address, **options):
    start = time.monotonic()
    try:
        stub(address).Call(tutorial_pb2.SampleRequest(message="hello"), **options)
    except grpc.RpcError as error:
        return error, time.monotonic() - start
    raise AssertionError("it succeeded")


def stub(address):
    return tutorial_pb2_grpc.SampleServiceStub(grpc.insecure_channel(address))


endless, panics = sys.argv[1:]

error, took = failure(endless, timeout=1)
assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED, error
# Either the server or grpcio reports the deadline first.
assert 1 <= took < 10, took
print(f"a deadline of 1 s ended a call after {took * 1000:.0f} ms")

occupied = None
while True:
    # The next call is refused while `occupied` has the worker.
    if occupied is None or occupied.done():
        request = tutorial_pb2.SampleRequest(message="hello")
        occupied = stub(endless).Call.future(request, timeout=600)
    error, _ = failure(endless, timeout=0.2)
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
        break
status = rpc_status.from_call(error)
(detail,) = status.details
info = error_details_pb2.RetryInfo()
assert detail.Unpack(info), detail
trailers = dict(error.trailing_metadata())
pushback = int(trailers["grpc-retry-pushback-ms"])
assert pushback > 0 and info.retry_delay.ToMilliseconds() == pushback, (info, trailers)
occupied.cancel()

error, _ = failure(panics, timeout=60)
assert error.code() is grpc.StatusCode.INTERNAL, error
assert "secret" not in error.details(), error
