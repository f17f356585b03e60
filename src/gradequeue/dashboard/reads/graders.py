"""Graders: each account with what it did in the last hour, and the machines that work under it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connections, router
from django.db.models import Count as Number
from django.db.models import Q, QuerySet

from submissions import sql
from submissions.conf import conf
from submissions.models import (
    ClaimEnd,
    ClaimNote,
    DatabaseNow,
    DrainedGrader,
    ExternalGraderDetail,
    GraderQueue,
    GraderSighting,
    Status,
    Token,
)
from submissions.statistics import history, jobs_list
from submissions.statistics.jobs_list import Filters

Job = ExternalGraderDetail

PERIOD = timedelta(hours=1)
# The newest results that are counted, accounts of the list, and rows of one account's lists.
MOST_RESULTS, MOST_ACCOUNTS, MOST_SHOWN = 10_000, 500, 20
# A failure share above it is shown in red.
MANY_FAILURES = 0.1


@dataclass(frozen=True)
class Work:
    """What a grader did in the period of the page."""

    graded: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    """Claims that ended without a score, by how they ended."""
    held: int = 0

    @property
    def failed(self) -> int:
        return self.ended.get("failed", 0)

    @property
    def lost(self) -> int:
        """Leases that expired."""
        return self.ended.get("lost", 0)

    @property
    def claims(self) -> int:
        """Claims that ended with a score, a failure or an expired lease."""
        return self.graded + self.failed + self.lost

    @property
    def failure_share(self) -> float:
        return (self.failed + self.lost) / self.claims if self.claims else 0.0

    @property
    def is_failing(self) -> bool:
        return self.failure_share > MANY_FAILURES


@dataclass(frozen=True)
class GraderRow:
    name: str
    account: Any
    """None where it is no grader's, or there is none of this name any more."""
    seen_at: datetime | None
    drained: DrainedGrader | None
    queues: tuple[str, ...]
    """Where it polled."""
    work: Work
    has_account: bool = True

    @property
    def disabled(self) -> bool:
        return self.account is not None and not self.account.is_active


@dataclass(frozen=True)
class GradersPage:
    rows: list[GraderRow]
    now: datetime
    over: timedelta
    """The period of the numbers: an hour, or less where there are more results than the page reads."""
    silence: timedelta = field(default_factory=lambda: timedelta(seconds=int(conf.SILENCE_SECONDS)))

    @property
    def since(self) -> str:
        return since_of(self.now, self.over)


@dataclass(frozen=True)
class Machine:
    """A program that said its name when it claimed; several can work under one account."""

    name: str
    version: str
    labels: tuple[str, ...]
    held: int = 0
    graded: int = 0
    seen_at: datetime | None = None
    """When it last took or graded a job, as far as the page reads."""


@dataclass(frozen=True)
class QueueOfGrader:
    name: str
    pk: int
    seen_at: datetime | None
    granted: bool
    work: Work


@dataclass(frozen=True)
class GraderPage:
    row: GraderRow
    now: datetime
    over: timedelta
    queues: list[QueueOfGrader]
    machines: list[Machine]
    held: list[Job]
    ends: list[ClaimEnd]
    """Its newest claims that ended without a score."""
    tokens: list[Token]
    takes_all: bool
    """Whether it may pull from each queue that is not restricted."""

    @property
    def since(self) -> str:
        return since_of(self.now, self.over)

    @property
    def live_tokens(self) -> list[Token]:
        return [token for token in self.tokens if token.is_live(self.now)]


def since_of(now: datetime, over: timedelta) -> str:
    """The period of a page's numbers as a filter of the lists that they lead to."""
    return "1h" if over >= PERIOD else (now - over).isoformat()


def accounts() -> QuerySet[Any]:
    """The accounts that are graders, or may be once they are in the group again."""
    user = get_user_model()
    ours = Q(groups__name=conf.GRADER_GROUP) | Q(granted_queues__isnull=False)
    return user._default_manager.filter(ours).distinct().order_by(user.USERNAME_FIELD)


def graders_page(queue_name: str = "") -> GradersPage:
    """All graders, those that fail much first, then the ones seen last; or those of one queue."""
    now = sql.now(_connection())
    results, since = _results(now)
    seen = _seen()
    work = _work(results, since)
    known = {user.get_username(): user for user in accounts()[:MOST_ACCOUNTS]}
    names = set(seen) | {name for name, _ in work} | set(known)
    # Also those that are graders no longer.
    existing = set(known) | _with_account(names - set(known))
    drained = {row.grader: row for row in DrainedGrader.objects.all()}
    rows = [
        GraderRow(
            name,
            known.get(name),
            max(seen[name].values(), default=None),
            drained.get(name),
            tuple(sorted(seen[name])),
            _total(work, name),
            has_account=name in existing,
        )
        for name in names - {""}
        if not queue_name or queue_name in seen[name] or (name, queue_name) in work
    ]
    return GradersPage(sorted(rows, key=_order), now, now - since)


def _with_account(names: Collection[str]) -> set[str]:
    """Those of the names that are an account's."""
    user = get_user_model()
    if not names:
        return set()
    rows = user._default_manager.filter(**{f"{user.USERNAME_FIELD}__in": list(names)})
    return set(rows.values_list(user.USERNAME_FIELD, flat=True))


def _order(row: GraderRow) -> tuple[object, ...]:
    seen = row.seen_at.timestamp() if row.seen_at else 0.0
    return row.disabled, not row.work.is_failing, -seen, row.name


def grader_page(account: Any, machine: str = "") -> GraderPage:
    """One account; with `machine`, what it holds there."""
    name, now = account.get_username(), sql.now(_connection())
    results, since = _results(now)
    work = _work(results, since, name)
    seen = _seen(name)[name]
    drained = DrainedGrader.objects.filter(grader=name).first()
    granted = set(account.granted_queues.values_list("name", flat=True))
    held = _held_by(name)
    machines, of_job = _machines(held, [pk for pk, grader, _, _ in results if grader == name], now)
    row = GraderRow(name, account, max(seen.values(), default=None), drained, tuple(sorted(seen)), _total(work, name))
    ends = ClaimEnd.objects.filter(at__gte=since, grader=name).order_by("-at")
    return GraderPage(
        row=row,
        now=now,
        over=now - since,
        queues=_queues(set(seen) | granted | {queue for _, queue in work}, seen, granted, work, name),
        machines=machines,
        held=[job for job in held if not machine or of_job.get(job.pk) == machine],
        ends=list(ends[:MOST_SHOWN]),
        tokens=list(Token.objects.filter(account=account)[:MOST_SHOWN]),
        takes_all=account.groups.filter(name=conf.GRADER_GROUP).exists(),
    )


def _connection() -> Any:
    connection = connections[router.db_for_read(Job)]
    connection.ensure_connection()
    return connection


Result = tuple[int, str, str, datetime]


def _results(now: datetime) -> tuple[list[Result], datetime]:
    """The newest graded jobs: id, grader, queue, time; and since when they are all of them."""
    since = now - PERIOD
    ended = Job.objects.filter(status_time__gte=since, status=Status.RETIRED).order_by("-status_time")
    rows = list(ended.values_list("pk", "grader", "queue_name", "status_time", "last_error")[:MOST_RESULTS])
    if len(rows) == MOST_RESULTS:
        since = rows[-1][3]
    return [(pk, grader, queue, at) for pk, grader, queue, at, error in rows if not error], since


def _work(results: list[Result], since: datetime, name: str = "") -> dict[tuple[str, str], Work]:
    """By grader and queue."""
    graded = Counter((grader, queue) for _, grader, queue, _ in results)
    ended = {(grader, queue): ends for (queue, grader), ends in history.losses(since).items()}
    held = _held()
    pairs = {pair for pair in {*graded, *ended, *held} if not name or pair[0] == name}
    return {pair: Work(graded[pair], ended.get(pair, {}), held.get(pair, 0)) for pair in pairs}


def _total(work: dict[tuple[str, str], Work], name: str) -> Work:
    total, ended = Work(), Counter[str]()
    for (grader, _), one in work.items():
        if grader == name:
            total = replace(total, graded=total.graded + one.graded, held=total.held + one.held)
            ended.update(one.ended)
    return replace(total, ended=dict(ended))


def _held() -> dict[tuple[str, str], int]:
    names = list(GraderQueue.objects.order_by().values_list("name", flat=True))
    held = Job.objects.filter(queue_name__in=names, status=Status.PULLED, available_at__gt=DatabaseNow())
    rows = held.order_by().values("grader", "queue_name").annotate(number=Number("pk"))
    return {(row["grader"], row["queue_name"]): row["number"] for row in rows}


def _held_by(name: str) -> list[Job]:
    found = jobs_list.page(Filters(state=jobs_list.GRADING, grader=name)).jobs
    columns = ("submission_id", "queue_name", "pulled_at", "available_at", "num_pulls", "claim_id")
    jobs = Job.objects.filter(pk__in=found).only(*columns).order_by("available_at")
    return list(jobs)


def _seen(name: str = "") -> dict[str, dict[str, datetime]]:
    """When each grader last polled which queue."""
    rows = GraderSighting.objects.filter(grader=name) if name else GraderSighting.objects.all()
    found: dict[str, dict[str, datetime]] = defaultdict(dict)
    for grader, queue, at in rows.order_by().values_list("grader", "queue__name", "seen_at"):
        found[grader][queue] = at
    return found


def _queues(
    names: Collection[str],
    seen: dict[str, datetime],
    granted: Collection[str],
    work: dict[tuple[str, str], Work],
    grader: str,
) -> list[QueueOfGrader]:
    rows = GraderQueue.objects.filter(name__in=list(names)).order_by("name").values_list("name", "pk")
    return [
        QueueOfGrader(name, pk, seen.get(name), name in granted, work.get((grader, name), Work())) for name, pk in rows
    ]


def _machines(held: list[Job], graded: list[int], now: datetime) -> tuple[list[Machine], dict[int, str]]:
    """What their programs said of themselves when they claimed by REST; and which has which of the jobs."""
    some = [job.pk for job in held] + graded[:1000]
    notes = ClaimNote.objects.filter(job_id__in=some).exclude(worker="").select_related("job")
    columns = ("claim_id", "worker", "job__claim_id", "job__status", "job__status_time")
    found: dict[str, Machine] = {}
    of_job: dict[int, str] = {}
    for note in notes.only(*columns):
        said = _worker(note.worker)
        if note.claim_id != note.job.claim_id or not said.name:
            continue
        of_job[note.job_id] = said.name
        known = found.get(said.name, said)
        is_held = note.job.status == Status.PULLED
        found[said.name] = replace(
            known,
            held=known.held + is_held,
            graded=known.graded + (not is_held),
            seen_at=max(known.seen_at or note.job.status_time, note.job.status_time),
        )
    return sorted(found.values(), key=lambda one: one.name), of_job


def _worker(text: str) -> Machine:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    said = said if isinstance(said, dict) else {}
    labels = said.get("labels")
    if isinstance(labels, dict):
        labels = [f"{name}={value}" for name, value in labels.items()]
    shown = tuple(str(label) for label in labels) if isinstance(labels, list) else ()
    return Machine(str(said.get("name") or ""), str(said.get("version") or ""), shown)
