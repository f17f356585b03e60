"""XQueue's callback: the platform's own header and the grader's reply, as a form; 200 means that it was taken."""

from __future__ import annotations

import base64
from urllib.parse import urlencode

from submissions.conf import conf
from submissions.deliveries.message import Message
from submissions.deliveries.transports.base import require_done
from submissions.outbound import http
from submissions.queue import host_in, settings_of


def send(message: Message) -> None:
    body = urlencode({"xqueue_header": message.header or "{}", "xqueue_body": message.reply}, errors="replace")
    answer = http.post(
        message.destination,
        body=body.encode("ascii"),
        headers={"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "gradequeue"}
        | _authorization(message.destination),
        allowed_hosts=hosts_of(message.queue_name),
    )
    require_done(answer, done=answer.status == 200)


def hosts_of(queue_name: str) -> list[str] | None:
    """The hosts that results of this queue may be sent to; None: every public one."""
    own = settings_of(queue_name).callback_hosts.split()
    return own or [str(name) for name in conf.CALLBACK_HOSTS] or None


def _authorization(destination: str) -> dict[str, str]:
    account = {host.lower(): one for host, one in conf.CALLBACK_AUTH.items()}.get(host_in(destination))
    if account is None:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(account.encode()).decode()}
