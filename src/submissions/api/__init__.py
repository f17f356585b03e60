"""The Python door: names, arguments and results of edx-submissions' ``submissions.api``.

Everything goes in and comes out as plain data; rows stay inside, but for the job that `create_external_grader_detail`
returns. Where we differ from edx-submissions, ``docs/upgrading.md`` says how.
"""

from submissions.api.files import files_mount, get_files_for_grader, mount_path
from submissions.api.jobs import create_external_grader_detail, create_job
from submissions.api.reports import (
    MAX_TOP_SUBMISSIONS,
    TOP_SUBMISSIONS_CACHE_TIMEOUT,
    get_all_course_submission_information,
    get_student_ids_by_submission_uuid,
    get_top_submissions,
)
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
    DELETED,
    ExternalGraderDetail,
    Score,
    ScoreAnnotation,
    ScoreSummary,
    StudentItem,
    Submission,
    SubmissionFile,
    TeamSubmission,
    score_reset,
    score_set,
)
from submissions.serializers import (
    ScoreSerializer,
    StudentItemSerializer,
    SubmissionSerializer,
    UnannotatedScoreSerializer,
)

__all__ = [
    "DELETED",
    "MAX_TOP_SUBMISSIONS",
    "TOP_SUBMISSIONS_CACHE_TIMEOUT",
    "ExternalGraderDetail",
    "ExternalGraderQueueEmptyError",
    "Score",
    "ScoreAnnotation",
    "ScoreSerializer",
    "ScoreSummary",
    "StudentItem",
    "StudentItemSerializer",
    "Submission",
    "SubmissionError",
    "SubmissionFile",
    "SubmissionInternalError",
    "SubmissionNotFoundError",
    "SubmissionRequestError",
    "SubmissionSerializer",
    "TeamSubmission",
    "UnannotatedScoreSerializer",
    "create_external_grader_detail",
    "create_job",
    "create_submission",
    "files_mount",
    "get_all_course_submission_information",
    "get_all_submissions",
    "get_files_for_grader",
    "get_latest_score_for_submission",
    "get_score",
    "get_scores",
    "get_student_ids_by_submission_uuid",
    "get_submission",
    "get_submission_and_student",
    "get_submissions",
    "get_top_submissions",
    "mount_path",
    "reset_score",
    "score_reset",
    "score_set",
    "set_score",
]
