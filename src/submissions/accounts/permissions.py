"""Who is a grader, and who may submit. Neither may do what the other does, unless the account is both."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db import connections, router
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from submissions import sql
from submissions.conf import conf
from submissions.models import GraderQueue

# Its members' sessions get replies of the old service's type: clients exist that insist on it.
TEXT_HTML_GROUP = "xqueue-text-html"

# A host may have an account model of its own; it has what of Django's is used here.
Account = User | AnonymousUser


def is_grader(user: Account | None) -> bool:
    """Whether the account may use the queue: active, and in the graders' group. Being a superuser is not enough.

    ``in_grader_group`` saves the question where whoever loaded the account has asked it already.
    """
    if user is None or not (user.is_authenticated and user.is_active):
        return False
    known: bool | None = getattr(user, "in_grader_group", None)
    return _is_in_group(user, conf.GRADER_GROUP) if known is None else known


def is_submitter(user: Account | None) -> bool:
    """Whether the account may submit over HTTP: active, and in the submitters' group or granted a queue."""
    if user is None or not (user.is_authenticated and user.is_active):
        return False
    return _is_of_platform(user) or GraderQueue.objects.filter(submitters=user.pk).exists()


def may_submit_to(user: Account, queue_name: str) -> bool:
    """Whether this account, which is a submitter, may submit to the queue: be it there already or not."""
    return _is_of_platform(user) or GraderQueue.objects.filter(name=queue_name, submitters=user.pk).exists()


def is_staff(user: Account) -> bool:
    """Whether the account is one of the staff; a host without Django's admin may have no such flag."""
    return bool(getattr(user, "is_staff", False))


def wants_text_html(user: Account) -> bool:
    return bool(user.groups.filter(name=TEXT_HTML_GROUP).exists())


def may_log_in(user: Account | None) -> bool:
    return is_grader(user) or is_submitter(user)


def _is_of_platform(user: Account) -> bool:
    return _is_in_group(user, conf.SUBMITTER_GROUP)


def _is_in_group(user: Account, name: str) -> bool:
    """Each poll of a grader asks this, so it is one written statement."""
    model: Any = user._meta.concrete_model  # type: ignore[union-attr]
    connection = connections[router.db_for_read(model)]
    connection.ensure_connection()
    key = model._meta.pk.get_db_prep_value(user.pk, connection)
    text = f"SELECT 1 {memberships(connection.vendor, model)} = %(account)s LIMIT 1"
    return sql.row(connection, text, {"account": key, "group": name}) is not None


@lru_cache
def memberships(vendor: str, account: Any) -> str:
    """SQL: the accounts of the model `account` in the group `%(group)s`, up to the column that holds their keys."""
    quote = connections[router.db_for_read(account)].ops.quote_name
    field, members = account.groups.field, account.groups.through._meta
    group = field.related_model._meta
    of_account = members.get_field(field.m2m_field_name()).column
    of_group = members.get_field(field.m2m_reverse_field_name()).column
    return (
        f"FROM {quote(members.db_table)} m JOIN {quote(group.db_table)} g "
        f"ON g.{quote(group.pk.column)} = m.{quote(of_group)} WHERE g.name = %(group)s AND m.{quote(of_account)}"
    )


class IsXQueueUser(BasePermission):
    """The request comes from a grader's account."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return is_grader(request.user)
