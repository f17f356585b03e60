"""A list walked from a key, in steps of bounded work: its pages and counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from submissions import words
from submissions.statistics import depths
from submissions.statistics.jobs_list import bounds
from submissions.statistics.jobs_list.claims import of_claims, of_job_alone
from submissions.statistics.jobs_list.deliveries import of_deliveries
from submissions.statistics.jobs_list.few import few, is_narrow, parts
from submissions.statistics.jobs_list.filters import Filters, without
from submissions.statistics.jobs_list.jobs import matching, must_look
from submissions.statistics.jobs_list.keys import Key, Match, require_key
from submissions.statistics.jobs_list.ranges import of_ranges, ranges_of
from submissions.statistics.jobs_list.scope import EVERYTHING, Scope, queue_names
from submissions.statistics.jobs_list.states import FAILED, GRADING, WAITING


@dataclass(frozen=True)
class Step:
    found: list[Match]
    looked: int
    """How many jobs were looked at."""
    until: Key
    """The last of those."""


@dataclass(frozen=True)
class Page:
    jobs: list[int]
    """Primary keys, the latest change first."""
    after: Key | None
    """From where the next page goes on; None at the end."""
    looked: int
    is_cut: bool
    """Whether it ends because so many were looked at, and not because it is full."""


@dataclass(frozen=True)
class Count:
    number: int
    is_exact: bool

    def __str__(self) -> str:
        return words.number(self.number) if self.is_exact else depths.at_least(self.number)


def page(filters: Filters, scope: Scope = EVERYTHING, *, size: int = bounds.PAGE, after: Key | None = None) -> Page:
    """The next `size` jobs behind `after`."""
    found: list[Match] = []
    looked = 0
    for step in steps(filters, scope, after=after, size=size + 1):
        found += step.found
        looked += step.looked
        if len(found) > size:
            return Page([one.pk for one in found[:size]], found[size - 1].key, looked, is_cut=False)
        if looked >= bounds.MOST_LOOKED:
            return Page([one.pk for one in found], step.until, looked, is_cut=True)
    return Page([one.pk for one in found], None, looked, is_cut=False)


def count(filters: Filters, scope: Scope = EVERYTHING, *, most: int = bounds.MOST_COUNTED) -> Count:
    """How many there are: exactly up to `most`, or as far as is known; where each must be looked at, as far as a page
    looks."""
    if filters.state in (WAITING, GRADING, FAILED) and without(filters, "state", "queue").is_empty:
        return _known(filters, scope)
    if not must_look(filters) and not is_narrow(filters) and not filters.is_indirect:
        number = 0
        for one in ranges_of(filters, scope):
            number += one.rows().order_by().values("pk")[: most - number + 1].count()
            if number > most:
                return Count(most, is_exact=False)
        return Count(number, is_exact=True)
    number = looked = 0
    for step in steps(filters, scope, size=bounds.WINDOW):
        number += len(step.found)
        looked += step.looked
        if number > most or looked >= bounds.MOST_LOOKED:
            return Count(min(number, most), is_exact=False)
    return Count(number, is_exact=True)


def count_beside(found: Page, filters: Filters, scope: Scope, after: Key | None) -> Count:
    """The same beside a page of the list, which may tell it already."""
    if after is None and (found.after is None or found.is_cut):
        return Count(len(found.jobs), is_exact=not found.is_cut)
    return count(filters, scope)


def _known(filters: Filters, scope: Scope) -> Count:
    """The sum of the numbers that other pages show."""
    counts = depths.counts(queue_names(filters, scope)).values()
    name = {WAITING: "waiting", GRADING: "being_graded"}.get(filters.state, filters.state)
    is_exact = not any(one.is_bound(getattr(one, name)) for one in counts)
    return Count(sum(getattr(one, name) for one in counts), is_exact)


def steps(
    filters: Filters, scope: Scope = EVERYTHING, *, after: Key | None = None, size: int = bounds.WINDOW
) -> Iterator[Step]:
    """All that match behind `after`, step by step; who takes no further step stops the work.

    A job that changes meanwhile comes to the beginning of the list: it is met once at the most. Raises BadFilter for a
    key of another list.
    """
    require_key(filters, after)
    if (known := few(filters, scope)) is not None:
        found = sorted((one for one in known if after is None or one.key < after), reverse=True)
        for part in parts(found, size):
            yield Step(part, len(part), part[-1].key)
        return
    looks = must_look(filters) or filters.is_indirect
    size = bounds.WINDOW if looks else size
    candidates = _candidates(filters, scope, after, size)
    asked = of_job_alone(filters)
    seen: set[int] = set()
    while part := list(islice(candidates, size)):
        found = matching(part, asked, scope) if looks else part
        # A job can have several deliveries, and several claims.
        fresh = list(_unmet(found, seen)) if filters.is_indirect else found
        yield Step(fresh, len(part), part[-1].key)


def _candidates(filters: Filters, scope: Scope, after: Key | None, size: int) -> Iterator[Match]:
    if filters.claim:
        return of_claims(filters, scope, after)
    return of_deliveries(filters, after) if filters.delivery else of_ranges(filters, scope, after, size)


def _unmet(found: Iterable[Match], seen: set[int]) -> Iterator[Match]:
    for one in found:
        if one.pk not in seen:
            seen.add(one.pk)
            yield one
