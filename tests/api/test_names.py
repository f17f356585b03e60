"""The names that platforms import from `submissions.api`, wherever they are defined."""

from __future__ import annotations

import pytest

from submissions import api

pytestmark = pytest.mark.once


def test_each_name_is_there() -> None:
    assert sorted(api.__all__) == [
        "DELETED", "ExternalGraderDetail", "ExternalGraderQueueEmptyError", "MAX_TOP_SUBMISSIONS", "Score",
        "ScoreAnnotation", "ScoreSerializer", "ScoreSummary", "StudentItem", "StudentItemSerializer", "Submission",
        "SubmissionError", "SubmissionFile", "SubmissionInternalError", "SubmissionNotFoundError",
        "SubmissionRequestError", "SubmissionSerializer", "TOP_SUBMISSIONS_CACHE_TIMEOUT", "TeamSubmission",
        "UnannotatedScoreSerializer", "create_external_grader_detail", "create_job", "create_submission",
        "files_mount", "get_all_course_submission_information", "get_all_submissions", "get_files_for_grader",
        "get_latest_score_for_submission", "get_score", "get_scores", "get_student_ids_by_submission_uuid",
        "get_submission", "get_submission_and_student", "get_submissions", "get_top_submissions", "mount_path",
        "reset_score", "score_reset", "score_set", "set_score",
    ]  # fmt: skip
    assert [name for name in api.__all__ if not hasattr(api, name)] == []
