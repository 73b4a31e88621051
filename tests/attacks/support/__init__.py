"""The parts that all attacks share: HTTP/2 by hand, the server in its container, and its observers."""
