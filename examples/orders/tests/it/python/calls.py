"""Calls each method of the server at the first argument, with the token of the second: plain and
with gzip."""

import queue
import sys

import grpc
from acme.orders.v1 import orders_pb2 as pb
from acme.orders.v1 import orders_pb2_grpc
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

address, token = sys.argv[1:]
metadata = [("authorization", f"Bearer {token}")]


def failure(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("it succeeded")


def place(item, quantity):
    return pb.PlaceOrderRequest(item=item, quantity=quantity)


placed = 0
for compression in [grpc.Compression.NoCompression, grpc.Compression.Gzip]:
    options = {"metadata": metadata, "timeout": 60, "compression": compression}
    with grpc.insecure_channel(address) as channel:
        stub = orders_pb2_grpc.OrdersStub(channel)

        # Unary.
        response = stub.PlaceOrder(place("tea", 2), **options)
        assert response.greeting == "hello, customer", response
        assert response.order.id == placed + 1, response
        assert stub.GetOrder(pb.GetOrderRequest(id=str(placed + 1)), **options) == response.order

        error = failure(lambda: stub.GetOrder(pb.GetOrderRequest(id="1000"), **options))
        assert error.code() is grpc.StatusCode.NOT_FOUND, error
        error = failure(lambda: stub.PlaceOrder(place("", 0), **options))
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, error
        (detail,) = rpc_status.from_call(error).details
        bad_request = error_details_pb2.BadRequest()
        assert detail.Unpack(bad_request), detail
        fields = [violation.field for violation in bad_request.field_violations]
        assert fields == ["item", "quantity"], fields

        for wrong in [[], [("authorization", "Bearer wrong")]]:
            wrong = options | {"metadata": wrong}
            for call in [
                lambda: stub.GetOrder(pb.GetOrderRequest(id="1"), **wrong),
                lambda: next(stub.WatchOrders(pb.WatchOrdersRequest(), **wrong)),
                lambda: stub.ImportOrders(iter([place("tea", 1)]), **wrong),
                lambda: next(stub.Chat(iter([pb.ChatMessage(text="hello")]), **wrong)),
            ]:
                error = failure(call)
                assert error.code() is grpc.StatusCode.UNAUTHENTICATED, error

        # Client stream: the end of the requests is a half-close.
        summary = stub.ImportOrders((place("tea", n) for n in range(0, 301)), **options)
        assert (summary.placed, summary.rejected) == (300, 1), summary
        assert stub.ImportOrders(iter([]), **options).placed == 0

        # Server stream.
        orders = stub.WatchOrders(pb.WatchOrdersRequest(after=placed), **options)
        ids = [next(orders).id for _ in range(301)]
        placed += 301
        assert ids == list(range(placed - 300, placed + 1)), ids
        stub.PlaceOrder(place("milk", 1), **options)
        placed += 1
        assert next(orders).item == "milk"
        orders.cancel()

        # Bidirectional: each answer arrives before the next message is sent.
        messages = queue.Queue()
        chat = stub.Chat(iter(messages.get, None), **options)
        for text in ["hello", "", "x" * 100_000, "日本語"]:
            messages.put(pb.ChatMessage(text=text))
            assert next(chat).text == f'thank you for "{text}"'
        messages.put(None)
        assert list(chat) == [] and chat.code() is grpc.StatusCode.OK

        # Answers still arrive after a half-close.
        texts = [str(n) for n in range(100)]
        answers = stub.Chat(iter([pb.ChatMessage(text=text) for text in texts]), **options)
        assert [answer.text for answer in answers] == [f'thank you for "{text}"' for text in texts]

        health = health_pb2_grpc.HealthStub(channel)
        for name in ["", "acme.orders.v1.Orders"]:
            answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=60)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING, name
