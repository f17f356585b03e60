"""What somebody looks for: a few words, as they stand on a page or in a mail, become filters of the list of jobs.

A word is a submission's id or uuid, a queue, a grader, a learner, a course, an item, the platform's own name for an
attempt, a grader's file, or a state; the first kind that there is counts, and each further word narrows. Each is
looked up along an index. What a person may not see is not there: the answer is the same as for a word that nobody has
ever used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from submissions import sql
from submissions.models import ExternalGraderDetail, GraderQueue, GraderSighting, StudentItem, Submission
from submissions.statistics import jobs_list
from submissions.statistics.jobs_list import EVERYTHING, STATES, Filters, Scope
from submissions.text import is_name, row_id, storable
from submissions.words import Words

Job = ExternalGraderDetail

LONGEST, MOST_WORDS, MOST_CHOICES = 500, 6, 20

KINDS: dict[str, Words] = {
    "submission": _("submission"),
    "queue": _("queue"),
    "grader": _("grader"),
    "reference": _("platform's own name"),
    "learner": _("learner"),
    "course": _("course"),
    "item": _("item"),
    "file": _("grader file"),
}
"""By filter, in the order in which they are looked for."""
TRIED = _(
    "submission id or uuid, queue, grader, learner, course, item, platform's own name for an attempt, grader file"
)

# Words that stand before a name on pages and in mails.
NOISE = {
    "submission",
    "submissions",
    "job",
    "jobs",
    "id",
    "uuid",
    "queue",
    "learner",
    "student",
    "course",
    "item",
    "grader",
}
# As people write the states.
STATE_WORDS = {word: word for word in STATES} | {"retired": "graded", "pending": "waiting", "pulled": "grading"}


@dataclass(frozen=True)
class Choice:
    """One of several that a word may mean."""

    kind: str
    """A filter: one of KINDS."""
    name: str
    filters: Filters


@dataclass(frozen=True)
class Answer:
    words: str
    filters: Filters | None = None
    """What the words mean, where there are such jobs, queues or graders."""
    choices: tuple[Choice, ...] = ()
    """What begins or contains so, where nothing is called so."""
    unknown: str = ""
    """The word that nothing is called."""
    understood: tuple[tuple[str, Words], ...] = ()
    """The words that were found, each with its kind."""

    @property
    def submission(self) -> int | None:
        """The one submission that was asked for."""
        return None if self.filters is None else self.filters.submission

    def only(self, kind: str) -> str:
        """The name, where the words mean nothing but one `kind` (queue, grader)."""
        if self.filters is None:
            return ""
        name = str(getattr(self.filters, kind) or "")
        return name if jobs_list.without(self.filters, kind).is_empty else ""


def find(text: str, scope: Scope = EVERYTHING) -> Answer:
    """What `text` means to who sees `scope`."""
    text = " ".join(text[:LONGEST].split())
    if not text or not storable(text) or not is_name(text):
        return Answer(text, unknown=text)
    if (whole := _meaning(text, scope)) is not None:
        return Answer(text, whole, understood=_understood(whole))
    words = [word for word in text.split() if word.casefold() not in NOISE] or [text]
    if len(words) == 1:
        return _one(text, words[0], scope)
    return _several(text, words[:MOST_WORDS], scope)


def _one(text: str, word: str, scope: Scope) -> Answer:
    if word != text and (found := _meaning(word, scope)) is not None:
        return Answer(text, found, understood=_understood(found))
    if (state := STATE_WORDS.get(word.casefold())) is not None:
        return Answer(text, Filters(state=state), understood=((word, _("state")),))
    choices = tuple(islice(_beginnings(word, scope), MOST_CHOICES))
    if len(choices) == 1:
        return Answer(text, choices[0].filters, understood=((choices[0].name, KINDS[choices[0].kind]),))
    return Answer(text, choices=choices, unknown=word)


def _several(text: str, words: list[str], scope: Scope) -> Answer:
    """All of the words hold together."""
    found = Filters()
    understood: list[tuple[str, Words]] = []
    for word in words:
        state = STATE_WORDS.get(word.casefold())
        meant = Filters(state=state) if state else _meaning(word, scope) or _one(word, word, scope).filters
        if meant is None:
            return Answer(text, unknown=word, understood=tuple(understood))
        given = jobs_list.values(meant)
        understood += [(word, _("state"))] if state else _understood(meant)
        if any(getattr(found, name) not in ("", None, value) for name, value in given.items()):
            return Answer(text, understood=tuple(understood))  # no job is that of two learners, or in two queues
        found = replace(found, **given)
    if not jobs_list.page(found, scope, size=1).jobs:
        return Answer(text, understood=tuple(understood))
    return Answer(text, found, understood=tuple(understood))


def _understood(filters: Filters) -> tuple[tuple[str, Words], ...]:
    return tuple((str(value), KINDS[name]) for name, value in jobs_list.values(filters).items())


# One word. ------------------------------------------------------------------------------------------------------------


def _meaning(word: str, scope: Scope) -> Filters | None:
    number = row_id(word.removeprefix("#"))
    if number is not None and _has(Filters(submission=number), scope):
        return Filters(submission=number)
    # The ids of learners in Open edX look like a uuid without dashes, so the search goes on where there is none.
    if (uuid := _uuid(word)) is not None and (job := _by_uuid(uuid, scope)) is not None:
        return Filters(submission=job)
    spellings = list(dict.fromkeys((word, word.lower(), word.upper())))
    for spelled in spellings:
        if (found := _named(spelled, scope)) is not None:
            return found
    return _of_shown_jobs(spellings, scope) if scope.queues is not None else None


def _named(word: str, scope: Scope) -> Filters | None:
    if len(word) > 255:
        return None
    # Each as it is stored: some databases find it in another case, too.
    if (queue := _queues(scope).filter(name=word).first()) is not None:
        return Filters(queue=queue.name)
    if (seen := _sightings(scope).filter(grader=word).first()) is not None:
        return Filters(grader=seen.grader)
    if scope.queues is not None:
        return next((one for one in (_by("reference", word), _by("learner", word)) if _has(one, scope)), None)
    for kind in ("reference", "learner", "course", "item"):
        filters = _by(kind, word)
        if _exists(kind, word, scope) and _has(filters, scope):
            return filters
    files = Job.objects.filter(grader_file_name=word).order_by("id").values_list("grader_file_name", flat=True)
    return next((Filters(file=name) for name in files[:1]), None)


def _exists(kind: str, word: str, scope: Scope) -> bool:
    """Whether there is one at all, before its jobs are looked for."""
    columns = {"learner": "student_id", "course": "course_id", "item": "item_id"}
    if kind not in columns:
        return True
    is_alias = kind == "learner" and jobs_list.is_pseudonym(word, scope)
    return is_alias or sql.exactly(StudentItem.objects.order_by(), **{columns[kind]: word}).exists()


def _of_shown_jobs(spellings: list[str], scope: Scope) -> Filters | None:
    """A course or an item among the latest jobs of the queues that somebody sees: in whichever others it is, to look
    takes the same time."""
    looked = 0
    for step in jobs_list.steps(Filters(), scope):
        rows = Job.objects.filter(pk__in=[one.pk for one in step.found])
        for kind, column in (("course", "course_id"), ("item", "item_id")):
            path = f"submission__student_item__{column}"
            name = rows.filter(**{f"{path}__in": spellings}).order_by().values_list(path, flat=True).first()
            if name in spellings:
                return _by(kind, name)
        looked += step.looked
        if looked >= jobs_list.MOST_LOOKED:
            break
    return None


def _has(filters: Filters, scope: Scope) -> bool:
    return bool(jobs_list.page(filters, scope, size=1).jobs)


def _uuid(word: str) -> UUID | None:
    try:
        return UUID(word) if len(word) in (32, 36) else None
    except ValueError:
        return None


def _by_uuid(uuid: UUID, scope: Scope) -> int | None:
    ids = Submission._objects.filter(uuid=uuid).order_by().values_list("pk", flat=True)[:1]
    return next((pk for pk in ids if _has(Filters(submission=pk), scope)), None)


def _queues(scope: Scope) -> QuerySet[GraderQueue]:
    rows = GraderQueue.objects.order_by("name")
    return rows if scope.queues is None else rows.filter(name__in=list(scope.queues))


def _sightings(scope: Scope) -> QuerySet[GraderSighting]:
    rows = GraderSighting.objects.order_by("grader")
    return rows if scope.queues is None else rows.filter(queue__name__in=list(scope.queues))


# A part of a name. ----------------------------------------------------------------------------------------------------


def _beginnings(word: str, scope: Scope) -> Iterator[Choice]:
    """What contains it, of queues and graders; what begins so, of the many others."""
    part = word.rstrip("…").removesuffix("...")
    if len(part) < 2 or len(part) > 255:
        return
    low = part.casefold()
    for kind, names in (
        ("queue", _queues(scope).values_list("name", flat=True)),
        ("grader", _sightings(scope).values_list("grader", flat=True).distinct()),
    ):
        yield from (_choice(kind, name) for name in names if low in name.casefold())
    if scope.queues is None:  # others would learn who is in queues that they do not see
        for kind, column in (("learner", "student_id"), ("course", "course_id"), ("item", "item_id")):
            yield from (_choice(kind, name) for name in _beginning(column, part))


def _choice(kind: str, name: str) -> Choice:
    return Choice(kind, name, _by(kind, name))


def _by(kind: str, name: str) -> Filters:
    given: dict[str, Any] = {kind: name}
    return Filters(**given)


def _beginning(column: str, part: str) -> list[str]:
    """Some names that begin with `part`, by the column's index."""
    # In no order: with one, PostgreSQL may walk all names that there are.
    rows = StudentItem.objects.order_by()
    vendor = connections[rows.db].vendor
    if vendor == "sqlite":
        # Its LIKE knows no case, and walks no index.
        rows = rows.filter(**{f"{column}__gte": part, f"{column}__lt": part + "\U0010ffff"})
    else:
        # MySQL's LIKE BINARY walks none, either.
        rows = rows.filter(**{f"{column}__{'istartswith' if vendor == 'mysql' else 'startswith'}": part})
    return sorted(set(rows.values_list(column, flat=True)[: jobs_list.MOST_ITEMS]))
