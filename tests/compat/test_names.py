"""The public names of edx-submissions, of which `tests.compat.names` makes a table, against both packages."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

from tests.compat import names

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def theirs() -> list[names.Name]:
    return names.theirs(names.source())


def test_the_sources_are_read(theirs: list[names.Name]) -> None:
    paths = [name.path for name in theirs]
    team = [path for path in paths if path.startswith("submissions.team_api.") and path.rpartition(".")[2][0] in "cgrs"]
    assert sorted(path.removeprefix("submissions.team_api.") for path in team) == [
        "create_submission_for_team",
        "get_all_team_submissions",
        "get_team_ids_by_team_submission_uuid",
        "get_team_submission",
        "get_team_submission_for_student",
        "get_team_submission_for_team",
        "get_team_submission_from_individual_submission",
        "get_team_submission_student_ids",
        "get_teammates_with_submissions_from_other_teams",
        "reset_scores",
        "set_score",
    ]
    for expected in (
        "submissions.api.MAX_TOP_SUBMISSIONS",
        "submissions.errors.SubmissionRequestError",
        "submissions.models.DuplicateTeamSubmissionsError",
        "submissions.models.ExternalGraderDetail.VALID_TRANSITIONS",
        "submissions.models.ScoreSummary.update_score_summary",
        "submissions.models.Submission.SoftDeletedManager",
        "submissions.urls.router",
    ):
        assert expected in paths


def test_each_name_is_there_or_has_a_reason(theirs: list[names.Name]) -> None:
    absent = [name.path for name in theirs if not names.is_there(name.path)]
    assert [path for path in absent if names.reason(path) is None] == []


def test_no_reason_is_left_for_what_is_there_by_now(theirs: list[names.Name]) -> None:
    absent = [name.path for name in theirs if not names.is_there(name.path)]
    assert [path for path in names.ABSENT if not any(f"{one}.".startswith(f"{path}.") for one in absent)] == []


def test_the_page_has_the_table(theirs: list[names.Name]) -> None:
    """Written anew by ``python -m tests.compat.names``."""
    assert names.written() == names.table(theirs)


@pytest.mark.parametrize("module", names.PASSED_ON)
def test_functions_take_the_same_arguments(theirs: list[names.Name], module: str) -> None:
    functions = [name for name in theirs if name.arguments is not None and name.path.startswith(f"{module}.")]
    differing = {}
    for name in functions:
        here = names.ours(name.path) if names.is_there(name.path) else None
        if callable(here) and (given := _arguments(here))[: len(name.arguments or ())] != name.arguments:
            differing[name.path] = given
    assert functions
    assert differing == {}


def _arguments(function: Callable[..., object]) -> tuple[str, ...]:
    found = inspect.signature(function).parameters.values()
    return tuple(
        one.name + ("" if one.default is one.empty else f"={one.default!r}")
        for one in found
        if one.name not in ("self", "cls") and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    )
