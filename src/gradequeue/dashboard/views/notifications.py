"""What a person is told of: each one's own, added, tried and removed here."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from gradequeue.dashboard.access import Viewer
from gradequeue.dashboard.views.page import page
from gradequeue.notifications.channels import News, NotTold, send
from gradequeue.notifications.problems import may_use
from submissions.models import Channel, Subscription
from submissions.outbound.http import Refused, require_possible

MOST = 50
NO_WEBHOOKS = gettext_noop("Webhooks are for accounts that see every queue.")
KINDS = ("on_red", "on_given_up", "on_late")
LABELS = {
    "queue": _("Queue"),
    "channel": _("By"),
    "address": _("Address of the webhook"),
    "quiet_from": _("Quiet from"),
    "quiet_until": _("Quiet until"),
    "zone": _("Time zone of these hours"),
}


class SubscriptionForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Subscription
        fields = ("queue", "channel", "address", *KINDS, "quiet_from", "quiet_until", "zone")

    def __init__(self, viewer: Viewer, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.viewer = viewer
        self.instance.account = viewer.user
        self.fields["queue"].queryset = viewer.queues()  # type: ignore[attr-defined]

    def clean_zone(self) -> str:
        zone = str(self.cleaned_data["zone"])
        if zone not in available_timezones():
            raise ValidationError(gettext("There is no such time zone; one is Europe/Berlin."))
        return zone

    def clean(self) -> dict[str, Any]:
        cleaned = dict(super().clean() or {})
        if not any(cleaned.get(kind) for kind in KINDS):
            self.add_error(None, gettext("Choose at least one thing to be told of."))
        if (cleaned.get("quiet_from") is None) != (cleaned.get("quiet_until") is None):
            self.add_error("quiet_until", gettext("Quiet hours need a beginning and an end."))
        if cleaned.get("channel") == Channel.MAIL:
            cleaned["address"] = ""
            self._check_mail()
        elif cleaned.get("channel"):
            self._check_webhook(str(cleaned.get("address") or ""))
        if Subscription.objects.filter(account=self.viewer.user).count() >= MOST:
            self.add_error(None, gettext("%(number)s are the most.") % {"number": MOST})
        return cleaned

    def _check_mail(self) -> None:
        if settings.SMTP is None:
            self.add_error("channel", gettext("No mail server is configured (EMAIL_URL)."))
        elif not self.viewer.user.email:
            words = gettext("Your account has no e-mail address; an operator can enter it in the admin.")
            self.add_error("channel", words)

    def _check_webhook(self, address: str) -> None:
        if not may_use(self.viewer, Channel.WEBHOOK):
            self.add_error("channel", gettext(NO_WEBHOOKS))
            return
        try:
            require_possible(address)
        except Refused as refused:
            self.add_error("address", str(refused))


@page("GET", "HEAD", "POST")
def notifications(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    form = SubscriptionForm(viewer, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, gettext("Added. Use Send a test to see whether it arrives."))
        return redirect("dashboard:notifications")
    context = {
        "viewer": viewer,
        "form": form,
        "errors": [(LABELS.get(name, ""), one) for name, found in form.errors.items() for one in found],
        "rows": _own(viewer).select_related("queue"),
        "has_mail": settings.SMTP is not None,
    }
    return render(request, "dashboard/notifications.html", context)


@page("POST")
def remove(request: HttpRequest, viewer: Viewer, pk: int) -> HttpResponse:
    _one(viewer, pk).delete()
    messages.success(request, gettext("Removed."))
    return redirect("dashboard:notifications")


@page("POST")
def test(request: HttpRequest, viewer: Viewer, pk: int) -> HttpResponse:
    one = _one(viewer, pk)
    try:
        if not may_use(viewer, one.channel):
            raise NotTold(gettext(NO_WEBHOOKS))
        send(one, News(test=True))
    except NotTold as reason:
        messages.error(request, str(reason))
    else:
        messages.success(request, gettext("A test was sent."))
    return redirect("dashboard:notifications")


def _own(viewer: Viewer) -> Any:
    return Subscription.objects.filter(account=viewer.user).order_by("pk")


def _one(viewer: Viewer, pk: int) -> Subscription:
    found: Subscription | None = _own(viewer).filter(pk=pk).first()
    if found is None:
        raise Http404
    return found
