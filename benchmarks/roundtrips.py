"""Count what a server asks its database, by standing between them: the same for every driver and every server."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from urllib.parse import urlsplit, urlunsplit


class Counter:
    """A proxy before the database at `url`; ``url`` is its own address, ``statements`` what has passed so far."""

    def __init__(self, kind: str, url: str) -> None:
        parts = urlsplit(url)
        usual = {"postgresql": 5432, "mariadb": 3306}[kind]
        self.target = (parts.hostname or "127.0.0.1", parts.port or usual)
        self.kind = kind
        self.statements: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        at, _, _ = parts.netloc.rpartition("@")
        netloc = f"{at}@127.0.0.1:{self.listener.getsockname()[1]}".lstrip("@")
        self.url = urlunsplit(parts._replace(netloc=netloc))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.listener.close()

    def taken(self) -> list[str]:
        """The statements since the last look."""
        found, self.statements = self.statements, []
        return found

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target)
                threading.Thread(target=self._answers, args=(server, client), daemon=True).start()
                threading.Thread(target=self._asks, args=(client, server), daemon=True).start()

    @staticmethod
    def _answers(server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, server:
            while part := server.recv(65536):
                client.sendall(part)

    def _asks(self, client: socket.socket, server: socket.socket) -> None:
        read = _Postgresql() if self.kind == "postgresql" else _MariaDB()
        with contextlib.suppress(OSError):
            while part := client.recv(65536):
                if part == _SSL_REQUEST:
                    client.sendall(b"N")  # what is encrypted cannot be counted
                    continue
                self.statements += read.statements(part)
                server.sendall(part)
            server.shutdown(socket.SHUT_WR)


_SSL_REQUEST = struct.pack("!ii", 8, 80877103)


class _Postgresql:
    """Messages of PostgreSQL's frontend: Q is a simple query, S ends an extended one; both wait for an answer."""

    def __init__(self) -> None:
        self.received = b""
        self.started = False
        self.parsed = ""

    def statements(self, part: bytes) -> list[str]:
        self.received += part
        found = []
        while message := self._next():
            kind, content = message
            if kind == b"Q":
                found.append(_text(content))
            elif kind == b"P":
                self.parsed = _text(content.split(b"\0", 2)[1])
            elif kind == b"S":
                found.append(self.parsed)
        return found

    def _next(self) -> tuple[bytes, bytes] | None:
        begin = 1 if self.started else 0  # the first message has no letter
        if len(self.received) < begin + 4:
            return None
        (length,) = struct.unpack_from("!i", self.received, begin)
        end = begin + length
        if len(self.received) < end:
            return None
        message = self.received[:begin], self.received[begin + 4 : end]
        self.received, self.started = self.received[end:], True
        return message


class _MariaDB:
    """Packets of MySQL's protocol: the first of a command has the number 0, and begins with the command."""

    QUIT, QUERY = 1, 3

    def __init__(self) -> None:
        self.received = b""

    def statements(self, part: bytes) -> list[str]:
        self.received += part
        found = []
        while len(self.received) >= 4:
            length, number = int.from_bytes(self.received[:3], "little"), self.received[3]
            if len(self.received) < 4 + length:
                break
            content, self.received = self.received[4 : 4 + length], self.received[4 + length :]
            if number == 0 and content[:1] != bytes([self.QUIT]):
                found.append(_text(content[1:]) if content[0] == self.QUERY else f"command {content[0]}")
        return found


def _text(content: bytes) -> str:
    return content.rstrip(b"\0").decode("utf-8", "replace")
