"""Who is a grader, and who may submit. Neither may do what the other does, unless the account is both."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser, User
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from submissions.conf import conf
from submissions.models import GraderQueue

# A host may have an account model of its own; it has what of Django's is used here.
Account = User | AnonymousUser


def is_grader(user: Account | None) -> bool:
    """Whether the account may use the queue: active, and in the graders' group. Being a superuser is not enough.

    ``in_grader_group`` saves the question where whoever loaded the account has asked it already.
    """
    if user is None or not (user.is_authenticated and user.is_active):
        return False
    known: bool | None = getattr(user, "in_grader_group", None)
    return user.groups.filter(name=conf.GRADER_GROUP).exists() if known is None else known


def is_submitter(user: Account | None) -> bool:
    """Whether the account may submit over HTTP: active, and in the submitters' group or granted a queue."""
    if user is None or not (user.is_authenticated and user.is_active):
        return False
    return _is_of_platform(user) or GraderQueue.objects.filter(submitters=user.pk).exists()


def may_submit_to(user: Account, queue_name: str) -> bool:
    """Whether this account, which is a submitter, may submit to the queue: be it there already or not."""
    return _is_of_platform(user) or GraderQueue.objects.filter(name=queue_name, submitters=user.pk).exists()


def may_log_in(user: Account | None) -> bool:
    return is_grader(user) or is_submitter(user)


def _is_of_platform(user: Account) -> bool:
    return bool(user.groups.filter(name=conf.SUBMITTER_GROUP).exists())


class IsXQueueUser(BasePermission):
    """The request comes from a grader's account."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return is_grader(request.user)
