"""Makes calls at a steady rate with grpcio and its default settings, balanced by round robin over
the addresses of a name, and prints which codes they had as JSON.

    grpcio_caller.py TARGET RATE SECONDS
"""

import collections
import json
import sys
import time

import grpc

target, rate, seconds = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
policy = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
channel = grpc.insecure_channel(target, options=[("grpc.service_config", policy)])
call = channel.unary_unary("/SampleService/Call")
codes: collections.Counter[str] = collections.Counter()
errors: dict[str, str] = {}
calls = []

begin = time.monotonic()
for number in range(int(rate * seconds)):
    time.sleep(max(0.0, begin + number / rate - time.monotonic()))
    # An empty SampleRequest.
    future = call.future(b"", timeout=5, metadata=[("x-request-id", "grpcio")])
    calls.append(future)
for future in calls:
    code = future.code()
    codes[code.name] += 1
    if code != grpc.StatusCode.OK:
        errors.setdefault(code.name, future.details())
print(json.dumps({"codes": codes, "errors": errors}))
