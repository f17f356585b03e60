"""Whether a Galera node may be written to, for HAProxy: ``python in_step.py SOCKET PORT`` answers 200 or 503."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import MySQLdb

SYNCED = "4"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if is_in_step(sys.argv[1]) else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


def is_in_step(socket: str) -> bool:
    try:
        connection = MySQLdb.connect(unix_socket=socket, user="root", connect_timeout=1, read_timeout=1)
        try:
            cursor = connection.cursor()
            cursor.execute("SHOW STATUS WHERE Variable_name IN ('wsrep_local_state', 'wsrep_ready')")
            return dict(cursor.fetchall()) == {"wsrep_local_state": SYNCED, "wsrep_ready": "ON"}
        finally:
            connection.close()
    except MySQLdb.Error:
        return False


ThreadingHTTPServer(("", int(sys.argv[2])), Handler).serve_forever()
