"""Signed JSON, after the Standard Webhooks specification (https://www.standardwebhooks.com)."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from standardwebhooks import Webhook

from submissions.conf import conf
from submissions.deliveries.message import Message
from submissions.deliveries.transports.base import Refused, require_done
from submissions.models import Told
from submissions.outbound import http
from submissions.queue import settings_of

TYPES = {Told.SCORE: "result.scored", Told.FAILURE: "result.failed"}


def send(message: Message) -> None:
    secrets = secrets_of(message.queue_name)
    if not secrets:
        raise Refused("There is no secret to sign it with.")
    body = json.dumps(payload(message))
    # The same in each attempt: by it a receiver knows what it has had already. With the submission's own name, because
    # a restored database counts its deliveries from an earlier number, which then belongs to another result.
    name = f"msg_{message.delivery_id}_{message.submission_uuid}"
    now = datetime.now(UTC)
    signatures = [Webhook(secret).sign(name, now, body) for secret in secrets]
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "gradequeue",
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
    # Operators alone set these addresses, so there is no list of hosts; what is not public is still refused.
    answer = http.post(message.destination, body=body.encode(), headers=headers, allowed_hosts=None)
    require_done(answer, done=200 <= answer.status < 300, gone=(410,))


def secrets_of(queue_name: str) -> list[str]:
    """What to sign with: the queue's own secrets, or the site's."""
    return settings_of(queue_name).webhook_secrets.split() or list(conf.WEBHOOK_SECRETS)


def payload(message: Message) -> dict[str, object]:
    scored = message.result == Told.SCORE
    return {
        "type": TYPES[Told(message.result)],
        "timestamp": message.ready_at.astimezone(UTC).isoformat(),
        "data": {
            "submission_id": message.submission_id,
            "submission_uuid": message.submission_uuid,
            "course_id": message.course_id,
            "item_id": message.item_id,
            "student_id": message.student_id,
            "queue_name": message.queue_name,
            "queue_key": message.queue_key,
            "reference": message.queue_key,
            "grader": message.grader,
            "points_earned": message.points_earned if scored else None,
            "points_possible": message.points_possible,
            "reply": message.reply if scored else None,
        },
    }
