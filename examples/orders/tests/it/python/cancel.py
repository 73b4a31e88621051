"""Opens and cancels streams of the server at the first argument, with the token of the second,
more often than its limit of 4 streams allows if one were left over."""

import queue
import sys

import grpc
from acme.orders.v1 import orders_pb2 as pb
from acme.orders.v1 import orders_pb2_grpc

address, token = sys.argv[1:]
options = {"metadata": [("authorization", f"Bearer {token}")]}

with grpc.insecure_channel(address) as channel:
    stub = orders_pb2_grpc.OrdersStub(channel)
    stub.ImportOrders(iter([pb.PlaceOrderRequest(item="tea", quantity=1)]), **options)

    for _ in range(20):
        # Each has begun before it is cancelled.
        watch = stub.WatchOrders(pb.WatchOrdersRequest(), **options)
        assert next(watch).item == "tea"
        chat = stub.Chat(iter(queue.Queue().get, None), **options)
        never_ends = queue.Queue()
        never_ends.put(pb.PlaceOrderRequest(item="milk", quantity=1))
        upload = stub.ImportOrders.future(iter(never_ends.get, None), **options)
        for call in [watch, chat, upload]:
            call.cancel()
            assert call.code() is grpc.StatusCode.CANCELLED, call.code()
        # A cancellation is not awaited by grpcio, so this can come too early.
        while True:
            try:
                answers = stub.Chat(iter([pb.ChatMessage(text="hello")]), timeout=60, **options)
                assert len(list(answers)) == 1
                break
            except grpc.RpcError as error:
                assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, error

    # A deadline ends a stream, too.
    watch = stub.WatchOrders(pb.WatchOrdersRequest(after=1_000), timeout=0.2, **options)
    try:
        next(watch)
        raise AssertionError("there is no such order")
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED, error
