"""The attacks. Each module has `attack`, which goes on until it is cancelled."""

from against import (connections, dynamic_table, half_sent, header_bomb, rapid_reset,
                     tls_flood, unread_responses, zip_bomb)

ALL = {
    "header-bomb": header_bomb.attack,
    "half-sent": half_sent.attack,
    "unread-responses": unread_responses.attack,
    "connections": connections.attack,
    "zip-bomb": zip_bomb.attack,
    "tls-flood": tls_flood.attack,
    "dynamic-table": dynamic_table.attack,
    "rapid-reset": rapid_reset.attack,
}
# A flood of TLS handshakes needs a server with TLS.
NEED_TLS = {"tls-flood"}
