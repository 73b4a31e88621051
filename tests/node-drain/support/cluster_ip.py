"""The ClusterIP Service: a connection goes to one of the pods that are ready when it begins."""

import asyncio
import random
import threading
from collections.abc import Callable


class ClusterIp:
    def __init__(self, address: str, port: int, endpoints: Callable[[], list[str]]) -> None:
        self._endpoints, self._port = endpoints, port
        loop = asyncio.new_event_loop()
        loop.run_until_complete(asyncio.start_server(self._connect, address, port))
        threading.Thread(target=loop.run_forever, daemon=True).start()

    async def _connect(self, reader, writer) -> None:
        try:
            there = await asyncio.open_connection(random.choice(self._endpoints()), self._port)
        except OSError:
            return writer.close()
        await asyncio.gather(copy(reader, there[1]), copy(there[0], writer))


async def copy(reader, writer) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()
