"""The Python door: names, arguments and results of edx-submissions' ``submissions.api``.

Everything goes in and comes out as plain data; rows stay inside, but for the job that `create_external_grader_detail`
returns. Where we differ from edx-submissions, ``docs/upgrading.md`` says how.
"""

from submissions.api.files import files_mount, get_files_for_grader, mount_path
from submissions.api.jobs import create_external_grader_detail, create_job
from submissions.api.scores import get_latest_score_for_submission, get_score, get_scores, reset_score, set_score
from submissions.api.submissions import (
    create_submission,
    get_all_submissions,
    get_submission,
    get_submission_and_student,
    get_submissions,
)
from submissions.errors import (
    ExternalGraderQueueEmptyError,
    SubmissionError,
    SubmissionInternalError,
    SubmissionNotFoundError,
    SubmissionRequestError,
)
from submissions.models import (
    ExternalGraderDetail,
    Score,
    ScoreSummary,
    StudentItem,
    Submission,
    SubmissionFile,
    TeamSubmission,
    score_reset,
    score_set,
)

__all__ = [
    "ExternalGraderDetail",
    "ExternalGraderQueueEmptyError",
    "Score",
    "ScoreSummary",
    "StudentItem",
    "Submission",
    "SubmissionError",
    "SubmissionFile",
    "SubmissionInternalError",
    "SubmissionNotFoundError",
    "SubmissionRequestError",
    "TeamSubmission",
    "create_external_grader_detail",
    "create_job",
    "create_submission",
    "files_mount",
    "get_all_submissions",
    "get_files_for_grader",
    "get_latest_score_for_submission",
    "get_score",
    "get_scores",
    "get_submission",
    "get_submission_and_student",
    "get_submissions",
    "mount_path",
    "reset_score",
    "score_reset",
    "score_set",
    "set_score",
]
