"""The ledger: what went in, what happened to it, and that it all adds up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.nemesis.recount import Disagreement, Evidence, reason


@dataclass(frozen=True)
class Ledger:
    faults: Mapping[str, int]
    lines: list[tuple[str, int]]
    disagreements: list[Disagreement]

    def text(self) -> str:
        return "\n".join([*_aligned(sorted(self.faults.items())), "", *_aligned(self.lines)])


def drawn_up(evidence: Evidence, found: list[Disagreement], faults: Mapping[str, int], put_back: int) -> Ledger:
    lines = [
        *_submissions(evidence),
        *_deliveries(evidence),
        *_results(evidence),
        ("given up and put back", put_back),
        ("poison, given up for good", len(evidence.poison)),
        ("  graders that it killed", sum(entry.submission_id in evidence.poison for entry in evidence.delivered)),
        *_outcome(evidence, found),
    ]
    return Ledger(faults, lines, found)


def _submissions(evidence: Evidence) -> Iterator[tuple[str, int]]:
    unanswered = {wanted.answer for wanted in evidence.wanted if wanted.submission_id is None}
    stored = [submission for submission in evidence.tables.submissions if submission.answer in unanswered]
    yield "enqueued", len(evidence.tables.submissions)
    yield "  acknowledged", len(evidence.wanted) - len(unanswered)
    yield "  answer lost, stored all the same", len(stored)
    yield "  answer lost, not stored (not counted above)", len(unanswered) - len(stored)


def _deliveries(evidence: Evidence) -> Iterator[tuple[str, int]]:
    claims = sum(job.pulls for job in evidence.tables.jobs)
    first = len({delivery.submission_id for delivery in evidence.delivered})
    yield "claims", claims
    yield "  delivered", first
    yield "  redelivered", len(evidence.delivered) - first
    yield "  answer lost", claims - len(evidence.delivered)
    polls = [noticed for noticed in evidence.noticed if noticed.what == "poll" and (noticed.status or 0) >= 500]
    yield "polls answered 5xx (database away)", len(polls)


def _results(evidence: Evidence) -> Iterator[tuple[str, int]]:
    accepted = evidence.accepted()
    first = len({sent.submission_id for sent in accepted})
    refused = Counter(
        reason(answer) for answer in evidence.answers.values() if answer.return_code != 0 and answer.status < 500
    )
    yield "results sent", len(evidence.sent)
    yield "  accepted", first
    yield "  accepted again (the same result)", len(accepted) - first
    for words, count in sorted(refused.items()):
        yield f"  refused: {words}", count
    yield "  answered 5xx (database away)", sum(answer.status >= 500 for answer in evidence.answers.values())
    yield "  answer lost", len(evidence.sent) - len(evidence.answers)


def _outcome(evidence: Evidence, found: list[Disagreement]) -> Iterator[tuple[str, int]]:
    told = {sent.submission_id for sent in evidence.accepted()}
    scored = [job for job in evidence.tables.jobs if evidence.scores[job.submission_id]]
    retired = [job for job in scored if job.status == "retired"]
    sorts = Counter(disagreement.sort for disagreement in found)
    yield "graded", len(retired)
    yield "  and no grader was told (answer lost)", sum(job.submission_id not in told for job in retired)
    scores = [entry.submission_id for entry in evidence.told if entry.points is not None]
    yield "scores told to the platform", len(set(scores))
    yield "  told again", len(scores) - len(set(scores))
    yield "  told that there is none (for now)", len(evidence.told) - len(scores)
    yield "lost", sorts["lost"]
    yield "double", sorts["double"]
    yield "otherwise wrong", sorts["wrong"]


def _aligned(pairs: list[tuple[str, int]]) -> list[str]:
    width = max((len(name) for name, _ in pairs), default=0)
    return [f"{name:<{width}}  {count:>6}" for name, count in pairs]
