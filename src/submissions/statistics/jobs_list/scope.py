"""Who sees which jobs of the list, and learners under which name."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from submissions.models import GraderQueue
from submissions.statistics.jobs_list.filters import Filters
from submissions.text import is_name


@dataclass(frozen=True)
class Scope:
    """What somebody may see: the jobs of these queues, learners under these pseudonyms."""

    queues: Collection[str] | None = None
    """None: every queue."""
    pseudonym: Callable[[str], str] | None = None
    """How observers see a learner's id; None where there are no observers."""


EVERYTHING = Scope()


def queue_names(filters: Filters, scope: Scope) -> list[str]:
    """Of the queues whose jobs are asked for, and may be seen."""
    names = GraderQueue.objects.order_by().values_list("name", flat=True) if scope.queues is None else scope.queues
    if filters.queue:
        # No job can be in a queue with such a name, and PostgreSQL refuses to compare with NUL.
        known = is_name(filters.queue) and (scope.queues is None or filters.queue in scope.queues)
        return [filters.queue] if known else []
    return list(names)


def is_pseudonym(learner: str, scope: Scope) -> bool:
    """Whether it is one as observers see them, and nobody's own id."""
    if scope.pseudonym is None or not learner:
        return False
    sample = scope.pseudonym("")
    prefix = sample[: sample.rindex("-") + 1]
    return learner.startswith(prefix) and len(learner) == len(sample)
