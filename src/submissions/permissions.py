"""Who is a grader."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from submissions.conf import conf


def is_grader(user: Any) -> bool:
    """Whether the account may use the queue: active, and in the graders' group. Being a superuser is not enough.

    ``in_grader_group`` saves the question where whoever loaded the account has asked it already.
    """
    if user is None or not (user.is_authenticated and user.is_active):
        return False
    known: bool | None = getattr(user, "in_grader_group", None)
    return user.groups.filter(name=conf.GRADER_GROUP).exists() if known is None else known


class IsXQueueUser(BasePermission):
    """The request comes from a grader's account."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return is_grader(request.user)
