"""The list of jobs: which ones match, the latest change first, for dashboard, commands and exports.

A list is walked along an index, in steps of bounded work, and goes on from a key; it is never sorted or counted as a
whole. Where an index alone cannot say what matches (a grader, a cause, a course with very many items), a step looks at
the next WINDOW jobs of the index, and a page at MOST_LOOKED of them: it then says how far it has come (`bounds`).
"""

from submissions.statistics.jobs_list.bounds import MOST_ITEMS, MOST_LOOKED, PAGE
from submissions.statistics.jobs_list.filters import (
    CLAIMS,
    DELIVERIES,
    GIVEN_UP,
    OVERDUE,
    PERIODS,
    BadFilter,
    Filters,
    read,
    values,
    without,
    written,
)
from submissions.statistics.jobs_list.keys import Key, read_key, require_key, write_key
from submissions.statistics.jobs_list.rows import Listed, rows
from submissions.statistics.jobs_list.scope import EVERYTHING, Scope, is_pseudonym
from submissions.statistics.jobs_list.states import ENDED, FAILED, GRADED, GRADING, STATES, WAITING, state_of
from submissions.statistics.jobs_list.walk import Count, count, count_beside, page, steps

__all__ = [
    "CLAIMS",
    "DELIVERIES",
    "ENDED",
    "EVERYTHING",
    "FAILED",
    "GIVEN_UP",
    "GRADED",
    "GRADING",
    "MOST_ITEMS",
    "MOST_LOOKED",
    "OVERDUE",
    "PAGE",
    "PERIODS",
    "STATES",
    "WAITING",
    "BadFilter",
    "Count",
    "Filters",
    "Key",
    "Listed",
    "Scope",
    "count",
    "count_beside",
    "is_pseudonym",
    "page",
    "read",
    "read_key",
    "require_key",
    "rows",
    "state_of",
    "steps",
    "values",
    "without",
    "write_key",
    "written",
]
