"""Connections that send nothing, or not all of a request's head, end by themselves, without a proxy, too."""

from __future__ import annotations

import select
import socket
import time

import pytest

from tests.server import Server

pytestmark = [pytest.mark.walk, pytest.mark.once]

HEAD = b"GET /xqueue/status/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
SENT = {"nothing": b"", "half a head": HEAD, "a whole request, and nothing more": HEAD + b"\r\n"}
# The server's own limit is 30 seconds; a loaded machine is late.
SECONDS = 120


def opened(server: Server, sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    connection.sendall(sent)
    return connection


def is_over(connection: socket.socket) -> bool:
    """Reads what has come; whether nothing more will."""
    try:
        return not connection.recv(65536)
    except ConnectionError:
        return True


def test_idle_connections_are_closed(server: Server) -> None:
    left = {opened(server, sent): how for how, sent in SENT.items()}
    deadline = time.monotonic() + SECONDS
    while left and time.monotonic() < deadline:
        for connection in select.select(list(left), [], [], 1)[0]:
            if is_over(connection):
                connection.close()
                del left[connection]
    still = list(left.values())
    for connection in left:
        connection.close()
    assert still == []
