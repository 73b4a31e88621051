"""Opens streams of the server at the first argument, with the token of the second, and says so;
then expects that each ends with its status."""

import os
import sys
import threading

import grpc
from acme.orders.v1 import orders_pb2 as pb
from acme.orders.v1 import orders_pb2_grpc

address, token = sys.argv[1:]
options = {"metadata": [("authorization", f"Bearer {token}")]}


def wait_for_ever(*messages):
    yield from messages
    threading.Event().wait()


with grpc.insecure_channel(address) as channel:
    stub = orders_pb2_grpc.OrdersStub(channel)
    upload = stub.ImportOrders.future(
        wait_for_ever(pb.PlaceOrderRequest(item="tea", quantity=1)), **options
    )
    watch = stub.WatchOrders(pb.WatchOrdersRequest(), **options)
    assert next(watch).item == "tea"
    chat = stub.Chat(wait_for_ever(pb.ChatMessage(text="hello")), **options)
    next(chat)
    print("open", flush=True)

    assert list(chat) == [] and chat.code() is grpc.StatusCode.OK
    for call, wait in [(watch, lambda: next(watch)), (upload, upload.result)]:
        try:
            wait()
            raise AssertionError("it did not end")
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.UNAVAILABLE, error
            assert error.details() == "the server shuts down", error
# The threads that wait for ever do not end.
os._exit(0)
