"""OpenTelemetry, where a collector is named: one span per request, as a part of its caller's trace.

OpenTelemetry's own variables are read (``OTEL_EXPORTER_OTLP_ENDPOINT`` and the like); without one of the two that name
a collector nothing of it is imported. An extra: ``pip install 'gradequeue[otel]'``.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponseBase

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
WANTED = any(os.environ.get(name) for name in ENDPOINTS)
MIDDLEWARE = ["gradequeue.monitoring.tracing.TracingMiddleware"] if WANTED else []

if WANTED and importlib.util.find_spec("opentelemetry") is None:
    raise ImproperlyConfigured(f"{ENDPOINTS[0]} needs more packages: pip install 'gradequeue[otel]'.")


def current_trace() -> str:
    """The id of the trace that is being recorded, as 32 hex digits; empty where there is none."""
    if not WANTED:
        return ""
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else ""


class TracingMiddleware:
    """Made once in each worker, after the fork: the exporter has a thread."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        from opentelemetry import trace

        self.get_response = get_response
        self.tracer = _provider().get_tracer("gradequeue")
        self.server = trace.SpanKind.SERVER

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        caller = TraceContextTextMapPropagator().extract(
            {name: request.headers[name] for name in ("traceparent", "tracestate") if name in request.headers}
        )
        with self.tracer.start_as_current_span(str(request.method), context=caller, kind=self.server) as span:
            response = self.get_response(request)
            _describe(span, request, response)
        return response


def _describe(span: Any, request: HttpRequest, response: HttpResponseBase) -> None:
    """By the conventions for HTTP servers. No query: a signature may be in it."""
    match = request.resolver_match
    route = f"/{match.route}" if match is not None else ""
    span.update_name(f"{request.method} {route}".strip())
    span.set_attribute("http.request.method", str(request.method))
    span.set_attribute("http.response.status_code", response.status_code)
    if route:
        span.set_attribute("http.route", route)
    if response.status_code >= 500:
        from opentelemetry.trace import Status, StatusCode

        span.set_status(Status(StatusCode.ERROR))


def _provider() -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    name = os.environ.get("OTEL_SERVICE_NAME", "gradequeue")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
