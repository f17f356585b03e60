"""Django's admin for operators: read-only rows, operators' moves as actions, and the settings of the queues.

Rows are read-only: a job is moved by the verbs of `submissions.queue` alone. Importing this registers everything.
"""

from submissions.admin import deliveries, jobs, queues, records, tokens
from submissions.admin.jobs import JobAdmin as ExternalGraderDetailAdmin
from submissions.admin.mixins import StudentItemAdminMixin, SubmissionInlineAdmin
from submissions.admin.records import (
    ScoreAdmin,
    ScoreSummaryAdmin,
    StudentItemAdmin,
    SubmissionAdmin,
    TeamSubmissionAdmin,
)

# The classes are edx-submissions' names, for hosts that import them.
__all__ = [
    "ExternalGraderDetailAdmin",
    "ScoreAdmin",
    "ScoreSummaryAdmin",
    "StudentItemAdmin",
    "StudentItemAdminMixin",
    "SubmissionAdmin",
    "SubmissionInlineAdmin",
    "TeamSubmissionAdmin",
    "deliveries",
    "jobs",
    "queues",
    "records",
    "tokens",
]
