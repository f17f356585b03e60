"""Leave in a fresh database what years with edx-submissions leave there; print as JSON where each thing is.

Runs in the environment of edx-submissions, through that package's own API and models. What its API can no longer
write, but old rows still hold, is written with SQL.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import django
from django.apps import apps
from django.core.files.base import ContentFile
from django.db import connection
from django.utils.timezone import now

from tests.compat.old.migrate import migrate

COURSE = "course-v1:Ünï+CS1+2024"
OLD_KEY = "0f8fad5b-d9cb-469f-a165-70867728950e"


def main() -> None:
    django.setup()
    migrate()
    print(json.dumps({**fill_jobs(), **fill_scores(), **fill_teams(), **spoil_answers(), "hyphens": hyphenate()}))


def model(name: str) -> Any:
    return apps.get_model("submissions", name)


def api(module: str = "api") -> Any:
    return import_module(f"submissions.{module}")


def item(name: str) -> dict[str, str]:
    return {"student_id": f"anon-{name}", "course_id": COURSE, "item_id": f"block@{name}", "item_type": "problem"}


def minute(number: int) -> datetime:
    return datetime(2024, 3, 1, 10, number, 0, 123456, tzinfo=UTC)


def job(name: str, answer: object = "print('hé ☃')", files: dict[str, bytes] | None = None, **changes: Any) -> int:
    """A job in queue "python" as `changes` leave it; the id of its submission."""
    made = api().create_external_grader_detail(
        item(name),
        answer,
        "python",
        f"key-of-{name}",
        grader_file_name="ps1/grade.py",
        points_possible=10,
        files={name: SimpleNamespace(file=ContentFile(content, name)) for name, content in (files or {}).items()},
    )
    if "status_time" in changes:
        changes.setdefault("created_at", changes["status_time"])
    model("ExternalGraderDetail").objects.filter(pk=made.pk).update(**changes)
    return int(made.submission_id)


def fill_jobs() -> dict[str, int]:
    files = {"hello.py": b"print('hello')\n", 'pä ck".bin': bytes(range(256))}
    ids = {
        "pulled_long_ago": job(
            "long", status="pulled", status_time=minute(0), pullkey="1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"
        ),
        "pending": job("pending", {"text": "日本語 \U0001f40d \0"}, files, status_time=minute(11)),
        "retry": job("retry", status="retry", status_time=minute(22), pullkey="old", num_failures=1),
        "pulled_just_now": job("recent", status="pulled", status_time=now(), pullkey=OLD_KEY),
        "failed": job("failed", status="failed", status_time=minute(3), pullkey="gone", num_failures=5),
        "retired": job("retired", files={"a.py": b"x = 1\n"}, status="retired", status_time=minute(4), pullkey="done"),
    }
    retired = model("Submission").objects.get(pk=ids["retired"])
    api().set_score(str(retired.uuid), 7, 10)
    reply = '{"correct": true, "score": 0.7, "msg": "<p>Gut gemacht ☃</p>"}'
    model("ExternalGraderDetail").objects.filter(submission=retired).update(grader_reply=reply)
    ids["deleted"] = job("deleted", status_time=minute(6))
    api().reset_score("anon-deleted", COURSE, "block@deleted", clear_state=True)
    stored = model("SubmissionFile")
    kept = stored._meta.get_field("file").storage.save(f"python/{OLD_KEY}", ContentFile(b"kept"))
    stored.objects.create(file=kept, original_filename="of a job that is gone.txt")
    return ids


def fill_scores() -> dict[str, str]:
    set_score = api().set_score
    essay = api().create_submission(item("essay"), {"parts": [{"text": "Füße ☃"}]}, minute(6), 4)["uuid"]
    set_score(essay, 9, 10)
    set_score(essay, 5, 10, "staff-1", "staff_override", "Zu großzügig ☃")
    reset = api().create_submission(item("reset"), "an answer", minute(7))["uuid"]
    set_score(reset, 3, 4)
    api().reset_score("anon-reset", COURSE, "block@reset")
    attended = model("StudentItem").objects.create(**item("class participation"))
    model("Score").objects.create(student_item=attended, points_earned=1, points_possible=2)
    return {"essay": essay, "reset": reset}


def fill_teams() -> dict[str, str]:
    user = apps.get_model("auth", "User").objects.create(username="ada")
    create = api("team_api").create_submission_for_team
    uuids = {}
    for team in ("gone", "here"):
        members = [f"anon-{team}-{number}" for number in (1, 2)]
        made = create(COURSE, "block@team", f"team-{team}", user.pk, members, {"text": "wir ☃"}, minute(8))
        uuids[f"team_{team}"] = str(made["team_submission_uuid"])
    rows = model("TeamSubmission").objects.filter(uuid=uuids["team_gone"])
    model("Submission").objects.filter(team_submission__in=rows).update(status="D")
    rows.update(status="D")
    return uuids


def spoil_answers() -> dict[str, int]:
    """Answers as no API writes them today: text that is not JSON, on a job and on an attempt that waits for nobody."""
    spoilt = {"broken_job": job("broken", status_time=minute(9), queue_name="broken")}
    plain = api().create_submission(item("broken plain"), "soon broken", minute(10))["uuid"]
    spoilt["broken"] = model("Submission").objects.get(uuid=plain).pk
    with connection.cursor() as cursor:
        for pk in spoilt.values():
            cursor.execute("UPDATE submissions_submission SET raw_answer = %s WHERE id = %s", ["print('ß') }", pk])
    return spoilt


def hyphenate() -> str:
    """Where the column is text, old rows have uuids of the long form."""
    uuid = str(api().create_submission(item("hyphens"), "long ago", minute(12))["uuid"])
    if not connection.features.has_native_uuid_field:
        with connection.cursor() as cursor:
            short = uuid.replace("-", "")
            cursor.execute("UPDATE submissions_submission SET uuid = %s WHERE uuid = %s", [uuid, short])
    return uuid


if __name__ == "__main__":
    main()
