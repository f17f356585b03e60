"""claims/{id}/heartbeats/ and heartbeats/: a grader says that it is still at work, and is told whether to go on."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase

from submissions import queue
from submissions.errors import QueueError
from submissions.models import Scope
from submissions.rest import base, bodies, fields
from submissions.rest.base import Resource, answer
from submissions.rest.claims import held, next_heartbeat
from submissions.rest.problems import Problem, invalid

MOST = 200


class HeartbeatIn(fields.Body):
    """How far the grading is."""

    lease_seconds = fields.Whole(min_value=1, required=False)
    progress = fields.Number(min_value=0, max_value=1, required=False)
    phase = fields.Text(max_length=100, allow_blank=True, required=False)


class HeartbeatsIn(fields.Body):
    """Of several claims."""

    claims = fields.Many(child=fields.Entry(), min_length=1, max_length=MOST)


class Heartbeats(Resource):
    scopes = {"create": (Scope.CLAIM,)}

    def create(self, request: Any, claim_id: str) -> HttpResponseBase:
        return answer(renewed(self, claim_id, self.read(HeartbeatIn)))


class BatchHeartbeats(Resource):
    scopes = {"create": (Scope.CLAIM,)}

    def create(self, request: Any) -> HttpResponseBase:
        given = self.read(HeartbeatsIn, bodies.MEBI)
        return answer({"claims": [self._one(item) for item in given["claims"]]})

    def _one(self, item: Any) -> dict[str, Any]:
        """Each by itself: what is wrong with one of them is no refusal of the others."""
        claim_id = named_by(item, "id")
        try:
            rest = without(item, "id")
            return {"id": claim_id, **renewed(self, claim_id, fields.checked(HeartbeatIn, rest))}
        except (Problem, QueueError) as error:
            return {"id": claim_id, "problem": base.problem_of(error).body()}


def named_by(item: Any, name: str) -> str:
    """The id in a batch's entry; "" where it has none."""
    claim_id = item.get(name) if isinstance(item, dict) else None
    return fields.shown(claim_id) if isinstance(claim_id, str) else ""


def without(item: Any, name: str) -> dict[str, Any]:
    """The entry without its id. Raises Problem."""
    if not isinstance(item, dict):
        raise invalid({"body": ["Must be an object."]})
    if not isinstance(item.get(name), str):
        raise invalid({name: ["Must be the id of a claim."]})
    return {key: value for key, value in item.items() if key != name}


def renewed(view: Resource, claim_id: str, given: dict[str, Any]) -> dict[str, Any]:
    seconds = given.pop("lease_seconds", None)
    found = queue.renew(held(view, claim_id).claim_id, view.account, seconds=seconds, **given)
    left = max(int((found.expires_at - found.now).total_seconds()), 0)
    return {
        "lease_expires_at": base.time(found.expires_at),
        "lease_seconds_left": left,
        # Before the deadline a lease is shorter than the claim's length.
        "next_heartbeat_seconds": next_heartbeat(found.seconds if found.is_cancelled else min(found.seconds, left)),
        "instruction": "cancel" if found.is_cancelled else "continue",
    }
