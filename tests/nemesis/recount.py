"""Hold the tables against what the graders and the platform saw. Knows the promises, and no code of the service.

Each rule yields what breaks it. `lost`: a submission, or a result that was acknowledged, is gone. `double`: something
that happens once happened twice. `wrong`: everything else that must not be.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations

from tests.nemesis.incoming import LIMITS, RATIO, Wanted
from tests.nemesis.journal import POISON, Acknowledged, Answered, Delivered, Entry, Fetched, Noticed, Sent, Told
from tests.nemesis.tables import Score, Tables

# What the service may say to a sending of each kind, other than that it is in trouble (5xx) or wants a login (302).
# A stale key is refused before anything else is looked at.
STALE, OTHER, OK = (409, "Incorrect key"), (409, "Submission was already graded"), (200, "")
ALLOWED = {
    "right": [OK, STALE, OTHER],
    "another": [OK, STALE, OTHER],
    "garbage": [(400, ""), STALE, OTHER],
    "unusable": [(400, ""), STALE, OTHER],
    "wrong key": [STALE],
    "wrong id": [(404, "Submission does not exist")],
    "no header": [(400, "Incorrect reply format")],
}
GRACE = 4.0  # after an outage; requests that met it may still be on their way (seconds)
# A result counts as told when the loop has written that down, which takes it so long at the most (seconds).
WRITTEN_DOWN = 5.0


@dataclass(frozen=True)
class Disagreement:
    sort: str
    """`lost`, `double` or `wrong`."""
    sentence: str


@dataclass(frozen=True)
class Standstill:
    """The database answered nobody for a while."""

    ended: float
    """When it went on (seconds of this machine's clock)."""
    graders: int
    """How many processes asked for jobs meanwhile."""
    held: frozenset[str]
    """The keys of the claims that stood a second after that."""


@dataclass
class Evidence:
    wanted: list[Wanted]
    entries: list[Entry]
    tables: Tables
    lease: float
    outages: list[tuple[float, float]] = field(default_factory=list)
    standstills: list[Standstill] = field(default_factory=list)
    loop_deaths: list[float] = field(default_factory=list)
    """When a delivery loop was killed, or what it had on its way was made due again."""

    def __post_init__(self) -> None:
        self.delivered = [entry for entry in self.entries if isinstance(entry, Delivered)]
        self.sent = [entry for entry in self.entries if isinstance(entry, Sent)]
        self.answers = {entry.number: entry for entry in self.entries if isinstance(entry, Answered)}
        self.noticed = [entry for entry in self.entries if isinstance(entry, Noticed)]
        self.told = [entry for entry in self.entries if isinstance(entry, Told)]
        self.fetched = [entry for entry in self.entries if isinstance(entry, Fetched)]
        self.acknowledged = [entry for entry in self.entries if isinstance(entry, Acknowledged)]
        self.jobs = {job.submission_id: job for job in self.tables.jobs}
        self.poison = {one.id for one in self.tables.submissions if one.answer.startswith(POISON)}
        self.scores: dict[int, list[Score]] = defaultdict(list)
        for score in self.tables.scores:
            self.scores[score.submission_id].append(score)

    def accepted(self) -> list[Sent]:
        """The results of which a grader was told that they are stored, again and again included."""
        return [sent for sent in self.sent if _is_accepted(self.answers.get(sent.number))]


def _is_accepted(answer: Answered | None) -> bool:
    return answer is not None and answer.status == 200 and answer.return_code == 0


def _enqueued(evidence: Evidence) -> Iterator[Disagreement]:
    """Each acknowledged submission is there under its id; nothing is there that nobody sent, or twice."""
    found = {submission.id: submission for submission in evidence.tables.submissions}
    for wanted in evidence.wanted:
        if wanted.submission_id is not None:
            there = found.get(wanted.submission_id)
            if there is None:
                yield Disagreement("lost", f"submission {wanted.submission_id} was acknowledged and is not there")
            elif (there.answer, there.student, there.item) != (wanted.answer, wanted.student, wanted.item):
                yield Disagreement("wrong", f"submission {there.id} is not what was sent: {there}")
    sent = {wanted.answer for wanted in evidence.wanted}
    for answer, times in Counter(submission.answer for submission in found.values()).items():
        if answer not in sent:
            yield Disagreement("wrong", f"nobody sent the submission {answer!r}")
        if times > 1:
            yield Disagreement("double", f"the submission {answer!r} is there {times} times")


def _whole(evidence: Evidence) -> Iterator[Disagreement]:
    """Each submission has one job with all of its files, also where the answer to `enqueue` was lost."""
    sent = {wanted.answer: wanted for wanted in evidence.wanted}
    times = Counter(job.submission_id for job in evidence.tables.jobs)
    for submission in evidence.tables.submissions:
        if times[submission.id] != 1:
            sort = "double" if times[submission.id] else "lost"
            yield Disagreement(sort, f"submission {submission.id} has {times[submission.id]} jobs")
            continue
        job, wanted = evidence.jobs[submission.id], sent.get(submission.answer)
        if wanted and (job.queue, job.possible, job.files) != (wanted.queue, wanted.possible, wanted.files):
            yield Disagreement("wrong", f"the job of submission {submission.id} is not what was sent: {job}")


def _finished(evidence: Evidence) -> Iterator[Disagreement]:
    """After all is graded each job is retired with exactly one score; poison has none."""
    for job in evidence.tables.jobs:
        if job.status != "retired":
            yield Disagreement("lost", f"submission {job.submission_id} is still {job.status}")
        elif job.offered:
            yield Disagreement("double", f"submission {job.submission_id} is retired and would be offered again")
        count = len(evidence.scores[job.submission_id])
        if count > 1:
            yield Disagreement("double", f"submission {job.submission_id} has {count} scores")
        elif count == 0 and job.status == "retired" and job.submission_id not in evidence.poison:
            yield Disagreement("lost", f"submission {job.submission_id} is retired without a score")


def _poisoned(evidence: Evidence) -> Iterator[Disagreement]:
    """What kills each grader was claimed as often as its queue bears, and not once more; nothing scored it.

    A claim that came when its grader had gone, and was taken back, killed nobody.
    """
    for job in evidence.tables.jobs:
        if job.submission_id not in evidence.poison:
            continue
        claims = job.pulls - job.taken_back
        if claims != LIMITS[job.queue]:
            times = f"{claims} times, not {LIMITS[job.queue]}"
            yield Disagreement("wrong", f"submission {job.submission_id} is poison and was claimed {times}")
        if evidence.scores[job.submission_id]:
            yield Disagreement("wrong", f"submission {job.submission_id} is poison and has a score")


def _acknowledged(evidence: Evidence) -> Iterator[Disagreement]:
    """What a grader was told is stored is the reply that stands there, and no other was ever acknowledged."""
    replies: dict[int, set[str]] = defaultdict(set)
    for sent in evidence.accepted():
        job = evidence.jobs.get(sent.submission_id)
        if job is None or job.reply != sent.reply:
            there = job.reply if job else None
            yield Disagreement("lost", f"{sent.number} was acknowledged: {sent.reply!r}, but stored is {there!r}")
        replies[sent.submission_id].add(sent.reply)
    for submission_id, different in replies.items():
        if len(different) > 1:
            yield Disagreement("double", f"submission {submission_id}: {len(different)} results were acknowledged")


def _stored(evidence: Evidence) -> Iterator[Disagreement]:
    """What is stored as a result was sent as one, for this job, with the key that still stands there."""
    sendings = {(sent.submission_id, sent.reply): sent for sent in evidence.sent if sent.score is not None}
    for job in evidence.tables.jobs:
        if job.status != "retired" or job.submission_id in evidence.poison:
            continue
        sent = sendings.get((job.submission_id, job.reply or ""))
        if sent is None or sent.score is None or sent.key != job.key:
            yield Disagreement("wrong", f"no grader sent what submission {job.submission_id} has: {job.reply!r}")
            continue
        worth = sent.score * job.possible if job.queue == RATIO else sent.score
        for score in evidence.scores[job.submission_id]:
            if abs(score.earned - worth) > 1e-9 or score.possible != job.possible:
                told = f"{score.earned} of {score.possible}"
                yield Disagreement("wrong", f"submission {job.submission_id}: {told}, not {worth} of {job.possible}")


def _keys(evidence: Evidence) -> Iterator[Disagreement]:
    """Each claim has a key of its own, and each key that a grader has seen is of a claim that was committed."""
    for key, times in Counter(delivery.key for delivery in evidence.delivered).items():
        if times > 1:
            yield Disagreement("double", f"the key {key[:6]}... was handed out {times} times")
    answers = {submission.id: submission.answer for submission in evidence.tables.submissions}
    for submission_id, times in Counter(delivery.submission_id for delivery in evidence.delivered).items():
        job = evidence.jobs.get(submission_id)
        if job is None or times > job.pulls:
            pulls = job.pulls if job else 0
            yield Disagreement(
                "wrong", f"submission {submission_id} was delivered {times} times, claimed {pulls} times"
            )
    for delivery in evidence.delivered:
        job = evidence.jobs.get(delivery.submission_id)
        if job and (answers.get(job.submission_id), job.queue, job.files) != (
            delivery.answer,
            delivery.queue,
            delivery.files,
        ):
            yield Disagreement("wrong", f"submission {job.submission_id} reached a grader as {delivery}")


def _held_by_two(evidence: Evidence) -> Iterator[Disagreement]:
    """Nobody is given a job while another one's lease runs, unless that one has failed at it."""
    failed = {sent.key for sent in evidence.sent if sent.kind in ("garbage", "unusable")}
    by_job: dict[int, list[Delivered]] = defaultdict(list)
    for delivery in evidence.delivered:
        by_job[delivery.submission_id].append(delivery)
    for submission_id, deliveries in by_job.items():
        for one, other in combinations(deliveries, 2):
            # A claim is made between the poll and its answer: whichever came second came a lease after the first.
            apart = other.at >= one.asked + evidence.lease or one.at >= other.asked + evidence.lease
            if not apart and not {one.key, other.key} & failed:
                yield Disagreement("double", f"submission {submission_id} was held by two: {one}, {other}")


def _summaries(evidence: Evidence) -> Iterator[Disagreement]:
    """Of several attempts, the newest one's score is the latest and the best one's the highest."""
    summaries = {summary.student_item: summary for summary in evidence.tables.summaries}
    by_item: dict[int, list[tuple[tuple[int, int], Score]]] = defaultdict(list)
    for submission in evidence.tables.submissions:
        for score in evidence.scores[submission.id]:
            by_item[submission.student_item].append(((submission.attempt, submission.id), score))
    for item, scores in by_item.items():
        summary = summaries.get(item)
        newest = max(scores, key=lambda found: found[0])[1]
        best = max(score.earned / score.possible for _, score in scores)
        highest = [score for _, score in scores if summary and score.id == summary.highest]
        if summary is None or summary.latest != newest.id:
            yield Disagreement("wrong", f"student item {item}: the latest score is not the newest attempt's {newest}")
        elif not highest or highest[0].earned / highest[0].possible < best:
            yield Disagreement("wrong", f"student item {item}: the highest score is {highest}, not {best:g}")


def _answers(evidence: Evidence) -> Iterator[Disagreement]:
    """What is wrong was refused, with its reason, and what is right was never refused for a wrong one."""
    for sent in evidence.sent:
        answer = evidence.answers.get(sent.number)
        if answer is None or answer.status >= 500 or answer.status == 302:
            continue
        if not any(answer.status == status and answer.content.startswith(text) for status, text in ALLOWED[sent.kind]):
            yield Disagreement("wrong", f"{sent.number} ({sent.kind}) was answered {answer.status} {answer.content!r}")


def _told(evidence: Evidence) -> Iterator[Disagreement]:
    """The platform was told of each result at least once, and of none that does not stand there."""
    told: dict[int, set[float | None]] = defaultdict(set)
    for entry in evidence.told:
        told[entry.submission_id].add(entry.points)
    for job in evidence.tables.jobs:
        heard = told.pop(job.submission_id, set())
        scores: set[float | None] = {score.earned for score in evidence.scores[job.submission_id]}
        if not heard & (scores or {None}):
            yield Disagreement("lost", f"nobody was told how submission {job.submission_id} ended")
        if wrong := heard - scores - {None}:
            yield Disagreement("wrong", f"submission {job.submission_id} has {scores}, and {wrong} was told")
    for submission_id in told:
        yield Disagreement("wrong", f"a result of submission {submission_id} was told, which is not there")


def _told_again(evidence: Evidence) -> Iterator[Disagreement]:
    """A score that the platform has acknowledged is not told again, unless nobody could write that down."""
    disturbed = [*evidence.outages, *((at, at) for at in evidence.loop_deaths)]
    acknowledged: dict[tuple[int, float | None], list[float]] = defaultdict(list)
    for entry in evidence.acknowledged:
        if not any(began - WRITTEN_DOWN <= entry.at <= ended + 1 for began, ended in disturbed):
            acknowledged[entry.submission_id, entry.points].append(entry.at)
    for told in evidence.told:
        earlier = [at for at in acknowledged[told.submission_id, told.points] if at < told.at]
        if told.points is not None and earlier:
            yield Disagreement(
                "double", f"the score of submission {told.submission_id} was told again after it was acknowledged"
            )


def _files(evidence: Evidence) -> Iterator[Disagreement]:
    """What lies there and what graders fetched is, byte for byte, what was handed in."""
    sent = {wanted.answer: wanted for wanted in evidence.wanted}
    handed_in = {
        submission.id: sent[submission.answer].digests()
        for submission in evidence.tables.submissions
        if submission.answer in sent
    }
    for stored in evidence.tables.files:
        expected = handed_in.get(stored.submission_id, {}).get(stored.name)
        if not stored.digest:
            yield Disagreement("lost", f"submission {stored.submission_id} has lost its file {stored.name!r}")
        elif stored.digest != expected:
            yield Disagreement("wrong", f"submission {stored.submission_id} has another file {stored.name!r}")
    for fetched in evidence.fetched:
        if fetched.digest != handed_in.get(fetched.submission_id, {}).get(fetched.name):
            yield Disagreement("wrong", f"submission {fetched.submission_id}: {fetched} is not what was handed in")


def _gone(evidence: Evidence) -> Iterator[Disagreement]:
    """A database that goes on again gives no jobs to graders that have long hung up.

    Each grader waits for one answer. So many, at the most, were lost otherwise: an answer on its way, a job that was
    held when it all began, and as much again.
    """
    known = {delivery.key for delivery in evidence.delivered}
    for standstill in evidence.standstills:
        lost = len(standstill.held - known)
        if lost > 3 * standstill.graders:
            yield Disagreement("wrong", f"after a standstill {lost} jobs were held by graders that had hung up")


def _troubles(evidence: Evidence) -> Iterator[Disagreement]:
    """The service fails only while its database is away, and refuses no grader's login or poll."""
    failed = [(noticed.at, noticed.what, noticed.status) for noticed in evidence.noticed]
    failed += [(answer.at, f"result {answer.number}", answer.status) for answer in _failures(evidence)]
    for at, what, status in failed:
        away = any(start <= at <= end + GRACE for start, end in evidence.outages)
        # A session that cannot be written is a 400 of Django's; 401 would tell a grader that its password is wrong.
        excused = away and status is not None and (status >= 500 or (what, status) == ("login", 400))
        if status not in (None, 200, 302) and not excused:
            yield Disagreement(
                "wrong", f"{what}: answered {status} while the database was {'away' if away else 'there'}"
            )


def _failures(evidence: Evidence) -> list[Answered]:
    return [answer for answer in evidence.answers.values() if answer.status >= 500]


def reason(answer: Answered) -> str:
    """A refusal without what differs from one to the next."""
    words = answer.content.split(", not ")[0]
    return f"{answer.status} {re.sub(r'[0-9]+$', 'the maximum', words)}"


RULES: tuple[Callable[[Evidence], Iterator[Disagreement]], ...] = (
    _enqueued,
    _whole,
    _finished,
    _poisoned,
    _acknowledged,
    _stored,
    _keys,
    _held_by_two,
    _summaries,
    _answers,
    _told,
    _told_again,
    _files,
    _gone,
    _troubles,
)


def disagreements(evidence: Evidence) -> list[Disagreement]:
    return [found for rule in RULES for found in rule(evidence)]
