"""Mail and webhooks. Whatever goes wrong is one exception with a sentence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend
from django.urls import reverse
from django.utils.translation import gettext

from submissions.conf import conf
from submissions.models import Channel, GraderQueue, Notice, Subscription
from submissions.outbound import http
from submissions.text import counted

SECONDS = 20


class NotTold(Exception):
    """The message did not leave; its text says why."""


@dataclass(frozen=True)
class News:
    """What one message tells."""

    wrong: Sequence[Notice] = ()
    well: Sequence[Notice] = ()
    test: bool = False

    @property
    def subject(self) -> str:
        if self.test:
            return "gradequeue: a test"
        if not self.wrong:
            names = sorted({one.queue_name for one in self.well})
            return f"gradequeue: {names[0]} is well again" if len(names) == 1 else "gradequeue: well again"
        if len(self.wrong) == 1:
            return f"gradequeue: {self.wrong[0].queue_name}: {self.wrong[0].get_kind_display()}"
        return f"gradequeue: {counted(len(self.wrong), 'problem')}"

    def lines(self) -> list[str]:
        if self.test:
            return ["Messages of gradequeue arrive here."]
        lines = [f"{one.queue_name}: {one.sentence}." for one in self.wrong]
        return lines + [f"Well again: {one.queue_name} ({one.sentence})." for one in self.well]

    def links(self) -> list[str]:
        """To the queues, where it is known how people reach this server."""
        root = str(conf.BASE_URL).rstrip("/")
        names = {one.queue_name for one in (*self.wrong, *self.well)} if root else set()
        ids = GraderQueue.objects.filter(name__in=names).order_by("name").values_list("pk", flat=True)
        return [root + reverse("dashboard:queue", args=[pk]) for pk in ids]


def send(subscription: Subscription, news: News) -> None:
    """Raises NotTold, in the language of the page that asked. Messages are English: nobody knows who reads which."""
    if subscription.channel == Channel.MAIL:
        _mail(subscription, news)
    else:
        _post(subscription, news)


def _mail(subscription: Subscription, news: News) -> None:
    to = subscription.account.email
    if settings.SMTP is None:
        raise NotTold(gettext("No mail server is configured (EMAIL_URL)."))
    if not to:
        words = gettext("The account %(name)s has no e-mail address.")
        raise NotTold(words % {"name": subscription.account.get_username()})
    body = "\n".join([*news.lines(), "", *news.links()]).strip() + "\n"
    message = EmailMessage(news.subject, body, settings.MAIL_FROM, [to])
    try:
        message.connection = EmailBackend(timeout=SECONDS, **settings.SMTP)
        message.send()
    except (OSError, SMTPException, ValueError) as error:
        words = gettext("The mail server did not take it: %(error)s")
        raise NotTold((words % {"error": error})[:300]) from error


def _post(subscription: Subscription, news: News) -> None:
    """Chats take the member "text"; the others are for programs."""
    told = {
        "text": "\n".join([news.subject, *news.lines(), *news.links()]),
        "problems": [_member(one) for one in news.wrong],
        "well_again": [_member(one) for one in news.well],
    }
    headers = {"Content-Type": "application/json", "User-Agent": "gradequeue"}
    try:
        answer = http.post(
            subscription.address, body=json.dumps(told).encode(), headers=headers, allowed_hosts=None, seconds=SECONDS
        )
    except (http.Refused, http.Failed) as error:
        words = gettext("The webhook was not reached: %(error)s")
        raise NotTold((words % {"error": error})[:300]) from error
    if not 200 <= answer.status < 300:
        raise NotTold(gettext("The webhook answered with status %(status)s.") % {"status": answer.status})


def _member(one: Notice) -> dict[str, str]:
    return {
        "queue_name": one.queue_name,
        "kind": one.kind,
        "sentence": one.sentence,
        "since": one.since.isoformat(),
    }
