"""What became of the attempts: read from the tables, one result each."""

from __future__ import annotations

import html
import json
import re
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from gradequeue.demo import reasons
from gradequeue.demo.course import Attempt
from submissions.models import ExternalGraderDetail, Score, Status


@dataclass(frozen=True)
class Result:
    attempt: Attempt
    submission_id: int
    status: str
    scores: int
    """How many scores it has; one is right."""
    share: float | None
    """Of the points, 0 to 1; None where there is no score."""
    seconds: float | None
    """From submission to result."""
    by_worker: bool
    """Whether the worker graded it, by REST; else a grader that speaks XQueue did."""
    said: str
    """What the grader wrote to the student, as text, or why there is no score."""

    @property
    def verdict(self) -> str:
        if self.share is None:
            return "failed"
        return "full" if self.share == 1 else "partial" if self.share > 0 else "zero"

    @property
    def agrees(self) -> bool:
        return self.attempt.agrees(self.share)


@dataclass(frozen=True)
class Row:
    """One problem in numbers."""

    problem: str
    attempts: int
    full: int
    partial: int
    zero: int
    failed: int
    median_seconds: float | None
    """From submission to score."""


@dataclass(frozen=True)
class Difference:
    """An attempt whose verdict is not what it ought to be."""

    problem: str
    student: str
    submission_id: int
    verdict: str
    why: str


@dataclass(frozen=True)
class Summary:
    """The whole run."""

    attempts: int
    with_one_score: int
    as_expected: int
    """How many verdicts are what they ought to be."""
    by_worker: int
    """How many the worker graded."""
    seconds: float
    """From the first submission to the last score."""

    @property
    def agreement(self) -> float:
        return self.as_expected / self.attempts


def summary(found: list[Result], seconds: float) -> Summary:
    return Summary(
        attempts=len(found),
        with_one_score=sum(one.scores == 1 for one in found),
        as_expected=sum(one.agrees for one in found),
        by_worker=sum(one.by_worker for one in found),
        seconds=round(seconds, 1),
    )


def results(queue: str, submitted: Mapping[int, Attempt]) -> list[Result]:
    """One for each submission of `submitted` (its id to the attempt), in that order."""
    jobs = {job.submission_id: job for job in ExternalGraderDetail.objects.filter(queue_name=queue)}
    scores: dict[int, list[Score]] = {}
    for score in Score.objects.filter(submission__external_grader_detail__queue_name=queue):
        scores.setdefault(score.submission_id or 0, []).append(score)
    return [_result(attempt, jobs[number], scores.get(number, [])) for number, attempt in submitted.items()]


def _result(attempt: Attempt, job: ExternalGraderDetail, scores: list[Score]) -> Result:
    return Result(
        attempt,
        submission_id=job.submission_id,
        status=job.status,
        scores=len(scores),
        share=scores[0].to_float() if scores else None,
        seconds=(job.returned_at - job.created_at).total_seconds() if job.returned_at else None,
        by_worker=job.result is not None,
        said=_as_text(job.grader_reply) if scores else job.last_error or f"It is {job.status}.",
    )


def _as_text(reply: str | None) -> str:
    message = str(json.loads(reply or "{}").get("msg", ""))
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", message)).split())


def rows(found: list[Result]) -> list[Row]:
    problems = dict.fromkeys(result.attempt.problem.name for result in found)
    return [_row(name, [one for one in found if one.attempt.problem.name == name]) for name in problems]


def total(found: list[Result]) -> Row:
    return _row("all", found)


def _row(name: str, found: list[Result]) -> Row:
    counts = {
        verdict: sum(one.verdict == verdict for one in found) for verdict in ("full", "partial", "zero", "failed")
    }
    waited = [one.seconds for one in found if one.seconds is not None and one.scores]
    return Row(name, len(found), **counts, median_seconds=round(statistics.median(waited), 2) if waited else None)


def differences(found: list[Result]) -> list[Difference]:
    right = [one.attempt for one in found if one.attempt.right]
    found = sorted(found, key=lambda one: (one.attempt.problem.name, one.attempt.student))
    return [
        Difference(one.attempt.problem.name, one.attempt.student, one.submission_id, one.verdict, _why(one, right))
        for one in found
        if not one.agrees
    ]


def _why(result: Result, right: list[Attempt]) -> str:
    attempt = result.attempt
    if result.verdict != "full":
        return f"{attempt.known}, but: {result.said}"
    tests = len(attempt.problem.tests)
    passed = f"all {tests} tests" if tests > 1 else "the one test"
    reason = reasons.beyond_tests(attempt, [one for one in right if one.problem == attempt.problem])
    return f"{attempt.known}, but passes {passed}: {reason}"


def finished(queue: str) -> int:
    """How many jobs of the queue are over: scored or given up."""
    return ExternalGraderDetail.objects.filter(queue_name=queue, status__in=Status.ended()).count()
