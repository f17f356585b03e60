"""claims/{id}/result/ and results/: a grader sends what it found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpResponseBase

from submissions import queue
from submissions.errors import LeaseLost, QueueError
from submissions.models import Scope, ScoreMeaning
from submissions.rest import base, bodies, fields, problems, result
from submissions.rest.base import Resource, answer, http
from submissions.rest.claims import held
from submissions.rest.heartbeats import named_by, without
from submissions.rest.problems import Problem, invalid
from submissions.rest.result import BadResult, Result

MOST = 50


class ResultOfClaim(Resource):
    scopes = {"update": (Scope.CLAIM,)}

    def update(self, request: Any, claim_id: str) -> HttpResponseBase:
        # Without a body nothing was said: that is no result without a score.
        sent = bodies.read_json(http(request), bodies.RESULT_BYTES, needed=True)
        return answer(store(self, claim_id, sent).data)


def store(view: Resource, claim_id: str, sent: object) -> Result:
    """Keep the result of the claim. Raises Problem, QueueError."""
    found = held(view, claim_id)
    read = read_result(found, sent)
    (done,) = queue.complete_together([given(found, read)])
    if isinstance(done, QueueError):
        raise refused(view, claim_id, done)
    return read


def read_result(found: queue.Named, sent: object) -> Result:
    """Raises Problem."""
    try:
        return result.read(sent, found.points_possible if found.points_known else None)
    except BadResult as bad:
        raise invalid(bad.errors) from None


def refused(view: Resource, claim_id: str, refusal: QueueError) -> Problem | QueueError:
    """What the grader is told."""
    if isinstance(refusal, LeaseLost):
        # Cancelled, or given up, since it was found: then the claim is known still, and what it is is told.
        try:
            held(view, claim_id).require_key()
        except (Problem, QueueError) as known:
            return known
    return refusal


def given(found: queue.Named, read: Result) -> tuple[int, str, queue.Given]:
    """The result as the queue takes it. Raises NotAllowed."""
    settings = queue.settings_of(found.queue_name)
    meaning = ScoreMeaning.RATIO if read.is_share else ScoreMeaning.POINTS
    score = as_xqueue_says(read, found, ScoreMeaning(settings.score_meaning))
    reply = result.xqueue_reply(read, score, correct=_is_full(read, found))
    told = queue.Given(read.score, reply, meaning, read.text, read.digest)
    return found.submission_id, found.require_key(), told


def as_xqueue_says(read: Result, found: queue.Named, meaning: ScoreMeaning) -> float | None:
    """The score as a grader of the queue says it: a share, or points."""
    if read.score is None or not found.points_known or not found.points_possible:
        return read.score
    if read.is_share:
        return read.score if meaning == ScoreMeaning.RATIO else read.score * found.points_possible
    return read.score if meaning == ScoreMeaning.POINTS else read.score / found.points_possible


def _is_full(read: Result, found: queue.Named) -> bool:
    return read.score is not None and read.score >= (1 if read.is_share else found.points_possible) * (1 - 1e-9)


class ResultsIn(fields.Body):
    """Results of several claims."""

    results = fields.Many(child=fields.Entry(), min_length=1, max_length=MOST)


class Results(Resource):
    scopes = {"create": (Scope.CLAIM,)}

    def create(self, request: Any) -> HttpResponseBase:
        """Each by itself: what is wrong with one of them is no refusal of the others."""
        items = self.read(ResultsIn, bodies.BATCH_BYTES)["results"]
        names = [named_by(item, "claim_id") for item in items]
        known = self._find(names)
        read = [self._read(item, known) for item in items]
        done = iter(queue.complete_together([one for one in read if not isinstance(one, Exception)]))
        outcomes = [one if isinstance(one, Exception) else next(done) for one in read]
        return answer({"results": [self._told(*pair) for pair in zip(names, outcomes, strict=True)]})

    def _find(self, names: Sequence[str]) -> dict[str, queue.Named]:
        """The account's claims of these ids."""
        ids = {name: found for name in names if (found := base.parse_uuid(name)) is not None}
        known = queue.find_all_named(list(ids.values()), self.account)
        return {name: known[claim_id] for name, claim_id in ids.items() if claim_id in known}

    def _read(self, item: Any, known: Mapping[str, queue.Named]) -> tuple[int, str, queue.Given] | Problem | QueueError:
        """An entry as the queue takes it, or why it cannot be taken."""
        try:
            sent = fields.checked(EntryIn, without(item, "claim_id"))["result"]
            if _size(sent) > bodies.RESULT_BYTES:
                raise Problem(problems.TOO_LARGE, f"The result is larger than {bodies.RESULT_BYTES} bytes.")
            found = known.get(named_by(item, "claim_id"))
            if found is None:
                raise LeaseLost
            self.require_queue(found.queue_name)
            return given(found, read_result(found, sent))
        except (Problem, QueueError) as error:
            return error

    def _told(self, claim_id: str, outcome: queue.GradedJob | Exception) -> dict[str, Any]:
        if isinstance(outcome, queue.GradedJob):
            return {"claim_id": claim_id, "status": "stored"}
        if isinstance(outcome, QueueError):
            outcome = refused(self, claim_id, outcome)
        return {"claim_id": claim_id, "problem": base.problem_of(outcome).body()}


class EntryIn(fields.Body):
    result = fields.Json()


def _size(sent: object) -> int:
    """In bytes, written as short as JSON can be: what goes by itself must go in a batch, too."""
    text = json.dumps(sent, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "replace"))
