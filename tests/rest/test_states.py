"""The table of states of `tests/queue/test_states.py`, once more: each claim made by REST, each verb a request."""

from __future__ import annotations

from typing import Any

import pytest

from submissions import queue
from submissions.models import ExternalGraderDetail as Job
from tests.queue import test_states
from tests.rest.talk import NO_CLAIM, Rest, Said, grader, operator

pytestmark = pytest.mark.django_db

# What each request is answered where the table says how the verb ends. A give-back is never refused.
STATUSES = {"ok": {200, 201, 204}, "LeaseLost": {409}, "AlreadyGraded": {409}, "BadReply": {422}, "NotAllowed": {409}}
VERBS = (
    "complete",
    "complete_other",
    "complete_stale",
    "complete_unscorable",
    "fail",
    "fail_stale",
    "release",
    "release_stale",
    "release_lease",
    "retry",
)
ROWS = [row for row in test_states.ROWS if row[1] in VERBS]


def claim_one() -> Job:
    (job,) = queue.claim("q", grader="grader", terms=queue.Terms(named=True))
    return Job.objects.get(pk=job.pk)


def ask(rest: Rest, verb: str, claim_id: str) -> Said:
    place = f"claims/{NO_CLAIM if verb.endswith('_stale') else claim_id}/"
    sent: dict[str, Any] = {
        "complete": {"score": 0.5},
        "complete_other": {"score": 1},
        "complete_stale": {"score": 0.5},
        "complete_unscorable": {},
    }
    if verb in sent:
        return rest.put(f"{place}result/", sent[verb])
    if verb.startswith("fail"):
        return rest.put(f"{place}failure/", {"kind": "grader", "message": "broke"})
    return rest.delete(place)


@pytest.mark.parametrize(("state", "verb", "outcome", "afterwards", "failures"), ROWS)
def test_move(
    state: str, verb: str, outcome: str, afterwards: str, failures: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = grader("grader")
    monkeypatch.setattr(test_states, "claim_one", claim_one)
    # The score of that state comes by REST, too: the same result again must be known.
    reached = "pulled" if state == "retired_scored" else state
    job, _ = {made.__name__: made for made in test_states.STATES}[reached]()
    row = Job.objects.get(pk=job.pk)
    if state == "retired_scored":
        assert rest.put(f"claims/{row.claim_id}/result/", {"score": 0.5}).status == 200
    if verb in ("release_lease", "retry"):
        moves = {"release_lease": "lease_releases", "retry": "retries"}
        said = operator().post(f"submissions/{row.submission.uuid}/{moves[verb]}/")
    else:
        said = ask(rest, verb, str(row.claim_id or NO_CLAIM))
    expected = {204} if verb.startswith("release") and verb != "release_lease" else STATUSES[outcome]
    if state == "failed" and verb == "fail":
        expected = {200}  # the same failure again
    assert said.status in expected, said.body
    row.refresh_from_db()
    assert (row.status, row.num_failures) == (afterwards, int(failures))
