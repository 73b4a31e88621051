"""Serves Orders on a free port, as the metadata `scenario` of each call says. Writes a JSON object
to each line: `listening` with the address, `begun` and `ended` for each call that waits, and
`received` for each message of an import."""

import json
import sys
import threading
from concurrent import futures

import grpc
from acme.orders.v1 import orders_pb2 as pb
from acme.orders.v1 import orders_pb2_grpc

lock = threading.Lock()


def log(message, **fields):
    with lock:
        print(json.dumps({"message": message, **fields}), flush=True)


def metadata(context, key):
    return dict(context.invocation_metadata()).get(key)


def wait(context, method):
    """Waits until the call ends, if that is the scenario. Only the client can end it."""
    if metadata(context, "scenario") != "wait":
        return
    ended = threading.Event()
    if not context.add_callback(ended.set):
        ended.set()
    log("begun", method=method, peer=context.peer(), remaining=context.time_remaining())
    assert ended.wait(60), "the call did not end"
    log("ended", method=method, active=context.is_active())


def fail(context):
    """Ends the call with a status, if that is the scenario."""
    if metadata(context, "scenario") == "fail":
        context.set_trailing_metadata([("reason", "a test")])
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "ausverkauft: 売り切れ")


class Orders(orders_pb2_grpc.OrdersServicer):
    def GetOrder(self, request, context):
        wait(context, "GetOrder")
        fail(context)
        return pb.Order(id=int(request.id), item="tea")

    def PlaceOrder(self, request, context):
        # What an interceptor of the client has added.
        return pb.PlaceOrderResponse(greeting=metadata(context, "authorization"))

    def WatchOrders(self, request, context):
        for id in range(request.after + 1, request.after + 4):
            yield pb.Order(id=id)
        wait(context, "WatchOrders")
        fail(context)

    def ImportOrders(self, requests, context):
        placed = 0
        for request in requests:
            placed += 1
            log("received", item=request.item)
            if placed == 2:
                # The client is still sending.
                wait(context, "ImportOrders")
                fail(context)
        log("half-closed")
        return pb.ImportOrdersResponse(placed=placed)

    def Chat(self, requests, context):
        count = 0
        for request in requests:
            yield request
            count += 1
            if count == 2:
                wait(context, "Chat")
                fail(context)
        # This follows the half-close of the client.
        yield pb.ChatMessage(text=f"{count} messages")


server = grpc.server(futures.ThreadPoolExecutor(max_workers=20))
orders_pb2_grpc.add_OrdersServicer_to_server(Orders(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
log("listening", address=f"127.0.0.1:{port}")
# It ends with the test, even if the test is killed.
sys.stdin.read()
