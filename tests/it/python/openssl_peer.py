"""Makes one TLS connection with OpenSSL's default key exchange, and prints its group. As a client:

    openssl_peer.py client ADDRESS AUTHORITY

As a server on a free port that it prints. It closes the connection after the handshake:

    openssl_peer.py server CERTIFICATE KEY
"""

import socket
import sys

from OpenSSL import SSL

role, *arguments = sys.argv[1:]
context = SSL.Context(SSL.TLS_METHOD)
if role == "client":
    address, authority = arguments
    context.load_verify_locations(authority)
    context.set_verify(SSL.VERIFY_PEER)
    context.set_alpn_protos([b"h2"])
    host, port = address.rsplit(":", 1)
    connection = SSL.Connection(context, socket.create_connection((host, int(port))))
    # With a timeout, Python's sockets do not block, which OpenSSL does not expect.
    connection.setblocking(True)
    connection.set_connect_state()
else:
    certificate, key = arguments
    context.use_certificate_chain_file(certificate)
    context.use_privatekey_file(key)
    context.set_alpn_select_callback(lambda connection, offered: b"h2")
    listener = socket.create_server(("127.0.0.1", 0))
    print("port", listener.getsockname()[1], flush=True)
    connection = SSL.Connection(context, listener.accept()[0])
    connection.set_accept_state()

connection.do_handshake()
print("group", connection.get_group_name(), flush=True)
connection.close()
