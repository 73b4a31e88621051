"""What all attacks share: HTTP/2 by hand, the server in its container, and who watches it."""
