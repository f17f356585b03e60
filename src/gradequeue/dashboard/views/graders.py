"""Graders: the list, the page of one account, and what an operator does to it with one press."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db import router, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext

from gradequeue.dashboard.access import Viewer
from gradequeue.dashboard.reads.graders import accounts, grader_page, graders_page
from gradequeue.dashboard.views.page import page
from submissions import queue
from submissions.accounts import tokens
from submissions.accounts.passwords import set_random_password
from submissions.activity import note
from submissions.models import Token


@dataclass(frozen=True)
class Change:
    """What can be done to an account."""

    permissions: tuple[str, ...]
    run: Callable[[HttpRequest, Viewer, Any], HttpResponse | None]
    """A page with a secret; None: back to the account's page."""
    of_secrets: bool = True
    """Not for accounts of staff: whoever may change graders could become an administrator."""


@page("GET", "HEAD")
def graders(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    _require_everything(viewer)
    name = request.GET.get("queue", "")
    return render(
        request, "dashboard/graders.html", {"viewer": viewer, "found": graders_page(name), "queue_name": name}
    )


@page("GET", "HEAD")
def grader(request: HttpRequest, viewer: Viewer, pk: int) -> HttpResponse:
    _require_everything(viewer)
    machine = request.GET.get("machine", "")[:100]
    found = grader_page(_account(pk), machine)
    may = {name: _may(viewer, one, found.row.account) for name, one in CHANGES.items()}
    return render(
        request, "dashboard/grader.html", {"viewer": viewer, "found": found, "machine": machine, "may_change": may}
    )


@page("POST")
def change(request: HttpRequest, viewer: Viewer, pk: int, name: str) -> HttpResponse:
    _require_everything(viewer)
    one = CHANGES.get(name)
    if one is None:
        raise Http404
    account = _account(pk)
    if not _may(viewer, one, account):
        raise PermissionDenied
    with transaction.atomic(using=router.db_for_write(Token)):
        response = one.run(request, viewer, account)
    return redirect("dashboard:grader", pk=pk) if response is None else response


def _require_everything(viewer: Viewer) -> None:
    """Observers learn of graders on the pages of their queues."""
    if not viewer.everything:
        raise Http404


def _account(pk: int) -> Any:
    account = accounts().filter(pk=pk).first()
    if account is None:
        raise Http404
    return account


def _may(viewer: Viewer, one: Change, account: Any) -> bool:
    is_staff = account.is_staff or account.is_superuser
    return not (one.of_secrets and is_staff) and viewer.user.has_perms(one.permissions)


def _drain(request: HttpRequest, viewer: Viewer, account: Any) -> None:
    name = account.get_username()
    queue.drain(name, by=viewer.user.get_username())
    note(viewer.actor, "drain", subject=name)
    messages.success(
        request, gettext("Grader %(name)s gets no further jobs; it may finish those that it holds.") % {"name": name}
    )


def _undrain(request: HttpRequest, viewer: Viewer, account: Any) -> None:
    name = account.get_username()
    queue.undrain(name)
    note(viewer.actor, "undrain", subject=name)
    messages.success(request, gettext("Grader %(name)s gets jobs again.") % {"name": name})


def _disable(request: HttpRequest, viewer: Viewer, account: Any) -> None:
    _set_active(account, active=False)
    note(viewer.actor, "disable", subject=account.get_username())
    words = gettext("Account %(name)s disabled: its sessions and tokens are refused.")
    messages.success(request, words % {"name": account.get_username()})


def _enable(request: HttpRequest, viewer: Viewer, account: Any) -> None:
    _set_active(account, active=True)
    note(viewer.actor, "enable", subject=account.get_username())
    messages.success(request, gettext("Account %(name)s enabled.") % {"name": account.get_username()})


def _set_active(account: Any, *, active: bool) -> None:
    account.is_active = active
    account.save(update_fields=["is_active"])


def _rotate_password(request: HttpRequest, viewer: Viewer, account: Any) -> HttpResponse:
    # Sessions carry a hash of the password and end with it.
    secret = set_random_password(account)
    account.save(update_fields=["password"])
    note(viewer.actor, "password", subject=account.get_username())
    words = gettext("Its sessions have ended. Give the new password to its machines.")
    return _show(request, viewer, account, gettext("New password"), secret, words)


def _rotate_token(request: HttpRequest, viewer: Viewer, account: Any) -> HttpResponse | None:
    name = request.POST.get("token", "")[:8]
    if not Token.objects.filter(account=account, public_id=name).exists():
        raise Http404
    try:
        token, secret = tokens.rotate(name, created_by=viewer.user.get_username())
    except tokens.TokenRefused as refused:
        messages.error(request, str(refused))
        return None
    note(viewer.actor, "token", subject=f"{account.get_username()}: {token} in place of gq_{name}")
    title = gettext("New token, in place of %(token)s") % {"token": f"gq_{name}"}
    return _show(request, viewer, account, title, secret, gettext("The old token has ended."))


def _revoke_token(request: HttpRequest, viewer: Viewer, account: Any) -> None:
    name = request.POST.get("token", "")[:8]
    if not Token.objects.filter(account=account, public_id=name).exists():
        raise Http404
    tokens.revoke(name)
    note(viewer.actor, "revoke", subject=f"{account.get_username()}: gq_{name}")
    messages.success(request, gettext("Token %(token)s has ended.") % {"token": f"gq_{name}"})


def _show(request: HttpRequest, viewer: Viewer, account: Any, title: str, secret: str, words: str) -> HttpResponse:
    """The secret, in this one answer: a redirect would have to keep it somewhere."""
    context = {"viewer": viewer, "account": account, "title": title, "secret": secret, "words": words}
    response = render(request, "dashboard/secret.html", context)
    patch_cache_control(response, no_store=True)
    return response


_USER = get_user_model()._meta
CHANGE_ACCOUNT = f"{_USER.app_label}.change_{_USER.model_name}"
OF_TOKENS = ("submissions.add_token", "submissions.change_token")

CHANGES = {
    "drain": Change(("submissions.can_pause",), _drain, of_secrets=False),
    "undrain": Change(("submissions.can_pause",), _undrain, of_secrets=False),
    "disable": Change((CHANGE_ACCOUNT,), _disable),
    "enable": Change((CHANGE_ACCOUNT,), _enable),
    "password": Change((CHANGE_ACCOUNT,), _rotate_password),
    "token": Change(OF_TOKENS, _rotate_token),
    "revoke": Change(OF_TOKENS[1:], _revoke_token),
}
