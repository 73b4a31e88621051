"""The DNS of the cluster: one name, whose answers are kept for 30 s."""

import socket
import threading
import time

from dnslib import A, DNSRecord, QTYPE, RR

TIME_TO_LIVE = 30


class Dns:
    """Keeps each answer, which has the endpoints of the moment at which it was made."""

    def __init__(self, name: str) -> None:
        self.endpoints: list[str] = []
        self._name = name
        self._kept: list[str] = []
        self._expires = 0.0
        self._lock = threading.Lock()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def resolve(self) -> tuple[list[str], int]:
        """Returns the addresses, and for how many seconds they are kept."""
        with self._lock:
            now = time.monotonic()
            if now >= self._expires:
                self._kept, self._expires = list(self.endpoints), now + TIME_TO_LIVE
            return self._kept, max(1, round(self._expires - now))

    def let_expire_in(self, seconds: float) -> None:
        with self._lock:
            self._expires = time.monotonic() + seconds

    def _serve(self) -> None:
        while True:
            packet, client = self._socket.recvfrom(4096)
            query = DNSRecord.parse(packet)
            answer = query.reply()
            if str(query.q.qname).rstrip(".") == self._name and query.q.qtype == QTYPE.A:
                addresses, seconds = self.resolve()
                for address in addresses:
                    answer.add_answer(RR(query.q.qname, QTYPE.A, rdata=A(address), ttl=seconds))
            self._socket.sendto(answer.pack(), client)
