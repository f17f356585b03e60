"""Every row that edx-submissions wrote is still there, with every value, and our own API reads it."""

from __future__ import annotations

import pytest

from submissions import api
from submissions.errors import SubmissionInternalError
from submissions.models import ScoreSummary, Submission, TeamSubmission
from tests.compat import tables
from tests.compat.conftest import Pointed, Site

COURSE = "course-v1:Ünï+CS1+2024"


def item(name: str) -> dict[str, str]:
    return {"student_id": f"anon-{name}", "course_id": COURSE, "item_id": f"block@{name}", "item_type": "problem"}


def test_the_old_site_has_rows_in_every_table(old_site: Site) -> None:
    counts = {table: len(rows) for table, rows in old_site.before.items()}
    assert counts == {
        "submissions_externalgraderdetail": 8,
        "submissions_score": 7,
        "submissions_scoreannotation": 1,
        "submissions_scoresummary": 5,
        "submissions_studentitem": 17,
        "submissions_submission": 16,
        "submissions_submissionfile": 4,
        "submissions_teamsubmission": 2,
    }


@pytest.mark.parametrize("table", tables.TABLES)
def test_every_row_is_still_there_with_equal_values(migrated_once: Site, table: str) -> None:
    before = migrated_once.before[table]
    after = tables.dump(migrated_once.url, (table,))[table]
    assert [{name: row[name] for name in before[0]} for row in after] == before


def test_a_second_migrate_does_nothing(site: Site) -> None:
    before = tables.everything(site.url)
    printed = site.server.run("migrate").stdout
    assert "No migrations to apply." in printed
    assert tables.everything(site.url) == before


def test_nothing_adds_up_to_a_problem_afterwards(migrated_once: Site) -> None:
    (line,) = migrated_once.server.rows("audit", "--json")
    assert line == {
        "jobs": 8,
        "states": {"failed": 1, "pending": 3, "pulled": 2, "retired": 1, "retry": 1},
        "files": {"without_digest": 4},
        "problems": 0,
    }


def test_our_api_reads_answers_and_scores(migrated_once: Site, pointed_at: Pointed) -> None:
    with pointed_at(migrated_once.url):
        essay = api.get_submission_and_student(migrated_once.where["essay"])
        assert essay["answer"] == {"parts": [{"text": "Füße ☃"}]}
        assert essay["attempt_number"] == 4
        assert essay["student_item"] == item("essay")
        (pending,) = api.get_submissions(item("pending"))
        assert pending["answer"] == {"text": "日本語 \U0001f40d \0"}
        score = api.get_score(item("retired"))
        assert score is not None
        assert (score["points_earned"], score["points_possible"]) == (7, 10)
        assert type(score["points_earned"]) is int


def test_our_api_reads_annotations_and_summaries(migrated_once: Site, pointed_at: Pointed) -> None:
    with pointed_at(migrated_once.url):
        score = api.get_score(item("essay"))
        assert score is not None
        assert (score["points_earned"], score["points_possible"]) == (5, 10)
        assert score["annotations"] == [
            {"creator": "staff-1", "reason": "Zu großzügig ☃", "annotation_type": "staff_override"}
        ]
        summary = ScoreSummary.objects.get(student_item__student_id="anon-essay")
        assert (summary.highest.points_earned, summary.latest.points_earned) == (9, 5)
        assert list(api.get_scores(COURSE, "anon-class participation")) == ["block@class participation"]


def test_a_reset_score_stays_reset(migrated_once: Site, pointed_at: Pointed) -> None:
    with pointed_at(migrated_once.url):
        assert api.get_score(item("reset")) is None
        kept = api.get_latest_score_for_submission(migrated_once.where["reset"])
        assert kept is not None
        assert (kept["points_earned"], kept["points_possible"]) == (3, 4)


def test_soft_deleted_submissions_stay_deleted_and_stay(migrated_once: Site, pointed_at: Pointed) -> None:
    with pointed_at(migrated_once.url):
        assert api.get_submissions(item("deleted")) == []
        assert Submission._objects.get(pk=migrated_once.where["deleted"]).answer == "print('hé ☃')"


def test_team_submissions_keep_their_members(migrated_once: Site, pointed_at: Pointed) -> None:
    with pointed_at(migrated_once.url):
        (team,) = TeamSubmission.objects.all()
        assert str(team.uuid) == migrated_once.where["team_here"]
        assert team.submitted_by is not None
        assert team.submitted_by.get_username() == "ada"
        members = team.submissions.values_list("student_item__student_id", flat=True)
        assert sorted(members) == ["anon-here-1", "anon-here-2"]
        assert TeamSubmission._objects.count() == 2


def test_a_uuid_of_the_long_form_is_found(migrated_once: Site, pointed_at: Pointed) -> None:
    with pointed_at(migrated_once.url):
        assert api.get_submission(migrated_once.where["hyphens"])["answer"] == "long ago"
        assert api.get_latest_score_for_submission(migrated_once.where["hyphens"]) is None


def test_an_answer_that_is_not_json_is_named_alone_and_listed_as_it_stands(
    migrated_once: Site, pointed_at: Pointed
) -> None:
    with pointed_at(migrated_once.url):
        row = Submission.objects.get(pk=migrated_once.where["broken"])
        with pytest.raises(SubmissionInternalError, match="not JSON"):
            api.get_submission(row.uuid)
        (listed,) = api.get_submissions(item("broken plain"))
        assert listed["answer"] == "print('ß') }"
