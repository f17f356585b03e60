"""The rows of a course's history: learners, submissions, jobs, scores, deliveries."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from gradequeue.demo.history.courses import Course
from gradequeue.demo.history.lives import Life
from submissions.deliveries import history
from submissions.models import (
    ClaimEnd,
    Delivery,
    DeliveryState,
    ExternalGraderDetail,
    Score,
    ScoreSummary,
    Status,
    StudentItem,
    Submission,
    Told,
)
from submissions.queue import claim_log, host_of, key_of

POINTS = 10
ANSWERS = (
    "def solve(numbers):\n    return [2 * number for number in numbers]\n",
    "def solve(numbers):\n    doubled = []\n    for number in numbers:\n        doubled.append(number + number)\n",
    "def solve(numbers):\n    # TODO: what if it is empty?\n    return list(map(lambda n: n * 2, numbers))\n",
    "import functools\n\n\ndef solve(numbers):\n    return functools.reduce(lambda a, b: a + [b * 2], numbers, [])\n",
)


@dataclass
class Rows:
    """Everything of one course, in the order in which it can be inserted; what points to a row holds its object."""

    items: list[StudentItem]
    submissions: list[Submission]
    jobs: list[ExternalGraderDetail]
    scores: list[Score]
    summaries: list[ScoreSummary]
    deliveries: list[Delivery]
    claim_ends: list[tuple[ClaimEnd, ExternalGraderDetail]]
    """Each with its job, whose id is not known before it is saved."""


def rows(course: Course, lives: list[Life], now: datetime, random: Random) -> Rows:
    """`lives` in the order of their arrival."""
    learners = [f"{random.getrandbits(128):032x}" for _ in range(max(len(lives) // 25, 8))]
    made = Rows([], [], [], [], [], [], [])
    items: dict[tuple[str, str], StudentItem] = {}
    attempts: Counter[int] = Counter()
    by_item: dict[int, ScoreSummary] = {}
    for life in lives:
        item = _item(course, life, lives[0].arrived, learners, items, random)
        attempts[id(item)] += 1
        submission = _submission(item, life, attempts[id(item)], random)
        job = _job(course, submission, life)
        made.submissions.append(submission)
        made.jobs.append(job)
        if life.status == Status.RETIRED:
            score = _score(item, submission, life, job, random)
            made.scores.append(score)
            _summarise(by_item, item, score)
        made.deliveries += _deliveries(course, job, life, now, random)
        made.claim_ends += _claim_ends(job, life)
    made.items, made.summaries = list(items.values()), list(by_item.values())
    return made


def _item(
    course: Course,
    life: Life,
    start: datetime,
    learners: list[str],
    items: dict[tuple[str, str], StudentItem],
    random: Random,
) -> StudentItem:
    week = (life.arrived - start) // timedelta(days=7)
    # Some are far more diligent than others; most are at this week's problem.
    learner = learners[int(len(learners) * random.random() ** 1.7)]
    problem = course.items[week % len(course.items)] if random.random() < 0.8 else random.choice(course.items)
    if (learner, problem) not in items:
        items[learner, problem] = StudentItem(
            student_id=learner,
            course_id=f"course-v1:ExampleX+{course.title}+2026",
            item_id=f"block-v1:ExampleX+{course.title}+2026+type@problem+block@{course.queue}_{problem}",
            item_type="problem",
        )
    return items[learner, problem]


def _submission(item: StudentItem, life: Life, attempt: int, random: Random) -> Submission:
    return Submission(
        uuid=UUID(int=random.getrandbits(128), version=4),
        student_item=item,
        attempt_number=attempt,
        submitted_at=life.arrived,
        created_at=life.arrived,
        answer=random.choice(ANSWERS),
    )


def _job(course: Course, submission: Submission, life: Life) -> ExternalGraderDetail:
    held = life.status in (Status.PULLED, Status.RETRY, Status.RETIRED) and life.num_pulls
    return ExternalGraderDetail(
        submission=submission,
        queue_name=course.queue,
        queue_key=submission.uuid.hex,
        points_possible=POINTS,
        status=life.status,
        status_time=life.since,
        created_at=life.arrived,
        available_at=life.available,
        pullkey=submission.uuid.hex if held else None,
        pulled_at=life.pulled,
        returned_at=life.returned,
        grader=life.grader,
        num_pulls=life.num_pulls,
        num_failures=life.failures,
        last_error=life.error or None,
        grader_payload=json.dumps({"grader": f"{course.queue}/grade.py"}),
        pulls=json.dumps([_as_json(pull) for pull in life.pulls]) if life.pulls else None,
    )


def _as_json(pull: claim_log.Pull) -> dict[str, str]:
    found = {"outcome": pull.outcome, "until": pull.until.isoformat(), "grader": pull.grader}
    if pull.since is not None:
        found["from"] = pull.since.isoformat()
    return found | ({"reason": pull.reason} if pull.reason else {})


def _claim_ends(job: ExternalGraderDetail, life: Life) -> Iterator[tuple[ClaimEnd, ExternalGraderDetail]]:
    lost = [pull for pull in life.pulls if pull.outcome != claim_log.COMPLETED]
    for pull in lost:
        gave_up = life.status == Status.FAILED and pull is lost[-1]
        end = ClaimEnd(
            queue_name=job.queue_name, outcome=pull.outcome, grader=pull.grader, gave_up=gave_up, at=pull.until
        )
        yield end, job


def _score(item: StudentItem, submission: Submission, life: Life, job: ExternalGraderDetail, random: Random) -> Score:
    luck = random.random() + 0.12 * min(submission.attempt_number - 1, 4)
    tests = 0 if luck < 0.22 else 10 if luck > 0.72 else min(round(random.triangular(1, 10, 7)), 9)
    message = f"<div><p>{tests} of 10 tests passed.</p>{'' if tests == 10 else FAILED}</div>"
    job.grader_reply = json.dumps({"correct": tests == 10, "score": tests / 10, "msg": message})
    return Score(
        student_item=item,
        submission=submission,
        points_earned=tests,
        points_possible=POINTS,
        created_at=life.since,
    )


REFUSAL = "TLS handshake failed: certificate has expired"
FAILED = "<pre>solve([1, 2])\nexpected [2, 4]\n     got [2, 2]</pre>"


def _summarise(by_item: dict[int, ScoreSummary], item: StudentItem, score: Score) -> None:
    summary = by_item.setdefault(id(item), ScoreSummary(student_item=item, highest=score, latest=score))
    summary.latest = score
    if score.points_earned > summary.highest.points_earned:
        summary.highest = score


def _deliveries(
    course: Course, job: ExternalGraderDetail, life: Life, now: datetime, random: Random
) -> Iterator[Delivery]:
    delivery = Delivery(
        job=job,
        transport=course.transport,
        destination=course.destination,
        destination_key=key_of(course.destination),
        host=host_of(course.transport, course.destination),
    )
    # None for a job that goes on: whoever grades it, its result is nobody's to be told.
    if life.status == Status.RETIRED and life.returned is not None:
        _travel(delivery, life.returned, course, now, random)
        yield delivery


def _travel(delivery: Delivery, returned: datetime, course: Course, now: datetime, random: Random) -> None:
    age = now - returned
    delivery.ready_at, delivery.result = returned, Told.SCORE
    if course.undelivered and age < timedelta(hours=20):
        delivery.attempts = min(max(age // timedelta(minutes=5), 1), 12)
        delivery.state = DeliveryState.GIVEN_UP
        delivery.last_error = REFUSAL
        for number in range(delivery.attempts):
            failed_at = returned + timedelta(minutes=5 * number, seconds=random.uniform(0, 9))
            delivery.history = history.add(delivery.history, min(failed_at, now), history.FAILED, REFUSAL)
        return
    delivery.state, delivery.attempts = DeliveryState.DELIVERED, 1
    delivery.delivered_at = min(returned + timedelta(seconds=random.uniform(0.1, 2)), now)
    delivery.history = history.add(None, delivery.delivered_at, history.DELIVERED)
