"""edx-submissions' import path of the XQueue endpoints, for hosts that register it with a router of DRF's."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny, BasePermission

from submissions.conf import Conf
from submissions.permissions import IsXQueueUser
from submissions.xqueue.views import ENDPOINTS

__all__ = ["MAX_SCORE_UPDATE_RETRIES", "XQueueViewSet"]

# Where neither the queue nor the site says another limit.
MAX_SCORE_UPDATE_RETRIES = Conf.MAX_FAILURES


class XQueueViewSet(viewsets.ViewSet):
    """Names for a router, and nothing behind them: each address is served by the endpoint of `submissions.xqueue`."""

    @classmethod
    def as_view(cls, actions: Any = None, **initkwargs: Any) -> Any:
        return ENDPOINTS[next(iter((actions or {}).values()))]

    def get_permissions(self) -> list[BasePermission]:
        """Who may use an endpoint; the endpoints look themselves, and answer in their protocol's words."""
        return [AllowAny() if self.action == "login" else IsXQueueUser()]

    def compose_reply(self, success: bool, content: str) -> dict[str, object]:
        """The protocol's envelope."""
        return {"return_code": 0 if success else 1, "content": content}

    @action(detail=False, methods=["get", "post"], url_name="login")
    def login(self, request: HttpRequest) -> HttpResponse:
        return ENDPOINTS["login"](request)

    @action(detail=False, methods=["get", "post"], url_name="logout")
    def logout(self, request: HttpRequest) -> HttpResponse:
        return ENDPOINTS["logout"](request)

    @action(detail=False, methods=["get", "post"], url_name="status")
    def status(self, request: HttpRequest) -> HttpResponse:
        return ENDPOINTS["status"](request)

    @action(detail=False, methods=["get"], url_name="get_queuelen")
    def get_queuelen(self, request: HttpRequest) -> HttpResponse:
        return ENDPOINTS["get_queuelen"](request)

    @action(detail=False, methods=["get"], url_name="get_submission")
    def get_submission(self, request: HttpRequest) -> HttpResponse:
        return ENDPOINTS["get_submission"](request)

    @action(detail=False, methods=["post"], url_name="put_result")
    def put_result(self, request: HttpRequest) -> HttpResponse:
        return ENDPOINTS["put_result"](request)
