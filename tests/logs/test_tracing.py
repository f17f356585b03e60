"""A span of ours hangs below its caller's, and reaches a real collector's socket."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests import databases
from tests.server import Server

pytestmark = pytest.mark.once

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


class Collector(ThreadingHTTPServer):
    bodies: list[bytes]


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    listening = Collector(("127.0.0.1", 0), _Handler)
    listening.bodies = []
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield listening
    listening.shutdown()
    listening.server_close()


def test_a_request_is_a_span_of_its_callers_trace_and_its_log_lines_name_it(
    tmp_path: Path, collector: Collector
) -> None:
    server = Server(
        databases.create("sqlite", "sqlite:///", "traced", tmp_path),
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.server_port}",
        OTEL_BSP_SCHEDULE_DELAY="50",
        GRADEQUEUE_LOG_FORMAT="json",
    ).start(workers=1)
    try:
        login = {"username": "nobody", "password": "a secret word"}
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        answer = requests.post(f"{server.url}/xqueue/login/?next=secret", login, headers=headers, timeout=10)
        assert answer.status_code == 401
        span = _span_of(collector, TRACE)
    finally:
        server.stop()
    assert span.parent_span_id.hex() == PARENT
    assert span.name == "POST /xqueue/login/"
    assert {item.key for item in span.attributes} == {"http.request.method", "http.response.status_code", "http.route"}
    assert b"secret" not in b"".join(collector.bodies)
    entries = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    (refused,) = [entry for entry in entries if "login of nobody" in entry["message"]]
    assert refused["trace_id"] == TRACE
    assert refused["request_id"] == answer.headers["X-Request-ID"]


def _span_of(collector: Collector, trace_id: str) -> Any:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for body in list(collector.bodies):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        if span.trace_id.hex() == trace_id:
                            return span
        time.sleep(0.05)
    raise AssertionError("The span did not arrive")
