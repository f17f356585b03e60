"""Everything that this app refuses, and why.

    SubmissionError                      the Python API (names of edx-submissions)
    +- SubmissionInternalError           storage or database failed
    +- SubmissionNotFoundError
    +- SubmissionRequestError            bad arguments; .field_errors says which
    +- ExternalGraderQueueEmptyError     no queue name
    +- InvalidFileTypeError              a file that cannot be read as one
    +- FileProcessingError               a file that could not be read or stored
    QueueError                           the verbs of submissions.queue; the docstring is the message
    +- UnknownJob, LeaseLost, AlreadyGraded, BadReply (AboveShare), NotAllowed, UnknownQueue, QueueFull

Each dialect maps QueueError to its own answers in one table.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

from django.db import OperationalError
from django.utils.translation import gettext, gettext_noop


class SubmissionError(Exception):
    """The submissions API could not do what it was asked."""


class SubmissionInternalError(SubmissionError):
    """Something below the API (database, storage) failed; the caller did nothing wrong."""


class SubmissionNotFoundError(SubmissionError):
    """There is no such submission."""


class ExternalGraderQueueEmptyError(SubmissionError):
    """A job needs the name of a queue, and none was given."""


class InvalidFileTypeError(SubmissionError):
    """What was given as a file is neither bytes, text nor anything that can be read."""


class FileProcessingError(SubmissionError):
    """A file could not be read, or not be stored."""


class SubmissionRequestError(SubmissionError):
    """The arguments are not valid.

    ``field_errors`` maps each refused field to a list of sentences.
    """

    def __init__(self, msg: str = "", field_errors: Mapping[str, object] | None = None) -> None:
        super().__init__(msg)
        self.field_errors: dict[str, object] = copy.deepcopy(dict(field_errors or {}))
        self.args += (self.field_errors,)

    def __str__(self) -> str:
        parts = [str(self.args[0])] if self.args[0] else []
        parts += [f"{field}: {_in_words(errors)}" for field, errors in self.field_errors.items()]
        return "; ".join(parts) or "The request is not valid."

    def __repr__(self) -> str:
        return f'{type(self).__name__}(msg="{self.args[0]}", field_errors={self.field_errors})'


def _in_words(errors: object) -> str:
    return " ".join(map(str, errors)) if isinstance(errors, list | tuple) else str(errors)


class DuplicateTeamSubmissionsError(Exception):
    """A team can only have one active submission for an item."""


class TeamSubmissionNotFoundError(SubmissionNotFoundError):
    """There is no such team submission."""


class TeamSubmissionInternalError(SubmissionInternalError):
    """Something below the team API failed."""


class TeamSubmissionRequestError(SubmissionRequestError):
    """The arguments for a team submission are not valid."""


class QueueError(Exception):
    """The queue refused."""

    def __init__(self, message: str = "", **values: object) -> None:
        """`values` stand in the places of the message, as in ``%(id)s``; `state` is a word of ours."""
        self.pattern, self.values = message or (type(self).__doc__ or "").splitlines()[0], values
        super().__init__(self.pattern % values if values else self.pattern)

    def in_words(self) -> str:
        """For a page, in the reader's language; `str` is English, for everything else."""
        if not self.values:
            return gettext(self.pattern)
        state = {"state": gettext(str(self.values["state"]))} if "state" in self.values else {}
        return gettext(self.pattern) % {**self.values, **state}


class UnknownJob(QueueError):
    """There is no job for this submission."""


class UnknownQueue(QueueError):
    """There is no such queue, or this grader may not know of it."""


class QueueFull(QueueError):
    """Too many jobs wait already; try again later."""


class LeaseLost(QueueError):
    """The key is not, or no longer, the key of this job."""


class AlreadyGraded(QueueError):
    """The job has its score already, from another result."""


class BadReply(QueueError):
    """The reply has no usable score."""


class AboveShare(BadReply):
    """The score is more than 1, where a share of the points is expected."""


class NotAllowed(QueueError):
    """The job's state does not allow this."""


class Overtaken(OperationalError):
    """Another transaction was faster, and this one cannot see its rows; the same verb can succeed in a new one."""


# What a page may show of the docstrings above.
SHOWN = (
    gettext_noop("There is no job for this submission."),
    gettext_noop("There is no such queue, or this grader may not know of it."),
    gettext_noop("The job's state does not allow this."),
)
