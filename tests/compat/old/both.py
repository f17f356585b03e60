"""The same calls for both packages: prints what each gives, or raises, as JSON. Run by the Python of either.

Everything is asked through the public API. Ids are those of a fresh database; uuids, and the times at which rows were
made, are replaced by names, for they are never the same.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from uuid import UUID

import django
from django.apps import apps
from django.core.management import call_command
from django.core.serializers.json import DjangoJSONEncoder

COURSE = "course-v1:Ünï+CS1+2024"
UNKNOWN = "deadbeef-1234-5678-9100-1234deadbeef"
MALFORMED = "no uuid"
WHEN = datetime(2024, 3, 1, 10, 7, tzinfo=UTC)
ANSWERS: tuple[Any, ...] = ("", "5", {"parts": [{"text": "Füße ☃"}]}, [1, 2.5, None], 0, False, "NUL \0")


class Report:
    """What came of each call, in order."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Any] = {}
        self.uuids: dict[str, str] = {}

    def call(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Remember what it gives or raises under `name`, and return it."""
        try:
            found = function(*args, **kwargs)
            found = list(found) if hasattr(found, "__next__") else found
            outcome: Any = self.plain(found)
        except Exception as error:
            found, outcome = None, [f"{type(error).__module__}.{type(error).__name__}"]
            outcome += sorted(getattr(error, "field_errors", {}))
        assert name not in self.outcomes, name
        self.outcomes[name] = outcome
        return found

    def plain(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self.plain(key): self.plain(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.plain(one) for one in value]
        if isinstance(value, UUID) or (isinstance(value, str) and len(value) == 36 and value.count("-") == 4):
            return self.uuids.setdefault(str(value), f"{type(value).__name__} {len(self.uuids)}")
        if isinstance(value, datetime):
            return value.isoformat() if value == WHEN else "a time"
        return value


def item(name: str = "Tim", **fields: Any) -> dict[str, Any]:
    usual = {"student_id": name, "course_id": COURSE, "item_id": "block@1", "item_type": "openassessment"}
    return usual | fields


def ask_about_attempts(report: Report, api: Any) -> None:
    for answer in ANSWERS:
        made = report.call(f"create {answer!r}", api.create_submission, item(), answer)
        report.call(f"get {answer!r}", api.get_submission, made["uuid"])
    made = report.call("create with all", api.create_submission, item("Eva"), "x", WHEN, 7)
    report.call("get again, cached", api.get_submission, made["uuid"])
    report.call("get by a UUID", api.get_submission, UUID(str(made["uuid"])))
    report.call("get with student", api.get_submission_and_student, made["uuid"], read_replica=True)
    report.call("get all of one", api.get_submissions, item())
    report.call("get two of one", api.get_submissions, item(), 2)
    report.call("get those of a new learner", api.get_submissions, item("New"))
    report.call("get those of nobody", api.get_submissions, {"student_id": "New"})
    report.call("get all", api.get_all_submissions, COURSE, "block@1", "openassessment")
    report.call("get all of no item", api.get_all_submissions, COURSE, "block@2", "openassessment")
    refused: dict[str, tuple[Any, ...]] = {
        "no json": (item(), WHEN),
        "a negative number": (item(), "x", None, -1),
        "no time": (item(), "x", "soon"),
        "an empty item": ({}, "x"),
        "an item without a type": (item(item_type=""), "x"),
        "an item of None": (item(course_id=None), "x"),
        "a long item": (item(item_id="x" * 256), "x"),
    }
    for name, arguments in refused.items():
        report.call(f"create {name}", api.create_submission, *arguments)


def ask_for_what_is_not_there(report: Report, api: Any, team_api: Any) -> None:
    for name, uuid in (("unknown", UNKNOWN), ("malformed", MALFORMED)):
        report.call(f"get {name}", api.get_submission, uuid)
        report.call(f"get {name} with student", api.get_submission_and_student, uuid)
        report.call(f"score of {name}", api.get_latest_score_for_submission, uuid)
        report.call(f"set score of {name}", api.set_score, uuid, 1, 2)
        report.call(f"student of {name}", api.get_student_ids_by_submission_uuid, COURSE, [uuid])
        report.call(f"team of {name}", team_api.get_team_submission, uuid)
        report.call(f"team of member {name}", team_api.get_team_submission_from_individual_submission, uuid)
        report.call(f"members of {name}", team_api.get_team_submission_student_ids, uuid)
        report.call(f"team id of {name}", team_api.get_team_ids_by_team_submission_uuid, [uuid])
        report.call(f"team score of {name}", team_api.set_score, uuid, 1, 2)
        report.call(f"team reset of {name}", team_api.reset_scores, uuid)
    report.call("get a number", api.get_submission, 20)
    report.call("members of None", team_api.get_team_submission_student_ids, None)
    report.call("score of a stranger", api.get_score, item("stranger"))
    report.call("scores of a stranger", api.get_scores, COURSE, "stranger")
    report.call("reset a stranger", api.reset_score, "stranger", COURSE, "block@1")


def ask_about_scores(report: Report, api: Any) -> None:
    first, second = (api.create_submission(item("Sue"), f"answer {number}")["uuid"] for number in (1, 2))
    other = api.create_submission(item("Bob"), {"text": "Bob's"})["uuid"]
    report.call("set", api.set_score, first, 9, 10)
    report.call("set with an annotation", api.set_score, second, 5, 10, "staff", "staff_override", "☃")
    report.call("set another", api.set_score, other, 7, 10)
    report.call("set a negative one", api.set_score, other, -1, 10)
    report.call("set None", api.set_score, other, None, 10)
    report.call("score", api.get_score, item("Sue"))
    report.call("scores", api.get_scores, COURSE, "Sue")
    report.call("score of the first", api.get_latest_score_for_submission, first, read_replica=True)
    top = ("block@1", "openassessment")
    for number in (0, 1, 3, api.MAX_TOP_SUBMISSIONS, api.MAX_TOP_SUBMISSIONS + 1):
        report.call(f"top {number}", api.get_top_submissions, COURSE, *top, number)
    report.call("all of the course", api.get_all_course_submission_information, COURSE, "openassessment")
    report.call("students", api.get_student_ids_by_submission_uuid, COURSE, [first, other, UNKNOWN])
    report.call("students elsewhere", api.get_student_ids_by_submission_uuid, "elsewhere", [first])
    report.call("reset", api.reset_score, "Sue", COURSE, "block@1")
    report.call("score after the reset", api.get_score, item("Sue"))
    report.call("top, remembered", api.get_top_submissions, COURSE, *top, 3)
    report.call("top, anew", api.get_top_submissions, COURSE, *top, 3, use_cache=False, read_replica=False)
    report.call("reset quietly", api.reset_score, "Bob", COURSE, "block@1", clear_state=True, emit_signal=False)
    report.call("cleared", api.get_submission, other)
    report.call("attempts after that", api.get_submissions, item("Bob"))
    report.call("attempt after that", api.create_submission, item("Bob"), "again")


def ask_about_teams(report: Report, api: Any, team_api: Any) -> None:
    user = apps.get_model("auth", "User").objects.create(username="ada")
    create, where = team_api.create_submission_for_team, (COURSE, "block@team")
    made = report.call("team", create, *where, "apple", user.pk, ["t1", "t2"], {"a": "☃"}, WHEN, 2, "team-type")
    uuid = made["team_submission_uuid"]
    report.call("team again", create, *where, "apple", user.pk, ["t1", "t2"], "x")
    report.call("other team", create, *where, "pear", user.pk, ["t2", "t3"], "other", item_type="team-type")
    report.call("team of a wrong number", create, *where, "plum", user.pk, ["t4"], "x", attempt_number=-1)
    report.call("team of nobody known", create, *where, "plum", 4711, ["t4"], "x")
    report.call("team of no name", create, *where, "", user.pk, ["t4"], "x")
    report.call("team of a nameless member", create, *where, "plum", user.pk, ["t4", ""], "x")
    report.call("one team", team_api.get_team_submission, uuid)
    of_member = team_api.get_team_submission_from_individual_submission
    report.call("one team, by a member", of_member, made["submission_uuids"][0])
    report.call("one team, by name", team_api.get_team_submission_for_team, *where, "apple")
    report.call("no team, by name", team_api.get_team_submission_for_team, *where, "nobody")
    of_team = item("t1", item_id="block@team", item_type="team-type")
    report.call("one team, by a student", team_api.get_team_submission_for_student, of_team)
    report.call("no team, by a student", team_api.get_team_submission_for_student, of_team | {"student_id": "t9"})
    report.call("all teams", team_api.get_all_team_submissions, *where)
    report.call("no teams", team_api.get_all_team_submissions, COURSE, "block@none")
    report.call("members", team_api.get_team_submission_student_ids, uuid)
    report.call("team ids", team_api.get_team_ids_by_team_submission_uuid, [uuid, UNKNOWN])
    elsewhere = team_api.get_teammates_with_submissions_from_other_teams
    report.call("elsewhere", elsewhere, *where, "pear", ["t1", "t2", "t3"])
    report.call("team score", team_api.set_score, uuid, 6, 10, "staff", "staff_override", "☃")
    report.call("a member's score", api.get_score, of_team)
    report.call("team reset", team_api.reset_scores, uuid)
    report.call("a member's score after that", api.get_score, of_team)
    report.call("team cleared", team_api.reset_scores, uuid, clear_state=True)
    report.call("one team after that", team_api.get_team_submission, uuid)
    report.call("team after that", create, *where, "apple", user.pk, ["t1", "t2"], "new", item_type="team-type")


def listen(report: Report) -> list[Any]:
    """What the two signals tell, from now on."""
    heard: list[Any] = []
    models = import_module("submissions.models")

    def hear(name: str) -> Callable[..., None]:
        return lambda sender, signal, **facts: heard.append([name, sender, report.plain(facts)])

    receivers = [(getattr(models, name), hear(name)) for name in ("score_set", "score_reset")]
    for signal, receiver in receivers:
        signal.connect(receiver, weak=False)
    return heard


def main() -> None:
    django.setup()
    call_command("migrate", verbosity=0)
    api, team_api = (import_module(f"submissions.{name}") for name in ("api", "team_api"))
    report = Report()
    heard = listen(report)
    ask_about_attempts(report, api)
    ask_for_what_is_not_there(report, api, team_api)
    ask_about_scores(report, api)
    ask_about_teams(report, api, team_api)
    report.outcomes["signals"] = sorted(heard, key=str)
    json.dump(report.outcomes, sys.stdout, cls=DjangoJSONEncoder)


if __name__ == "__main__":
    main()
