"""Tables of the pages that are kept by hand, held against the code both ways. More of them: `tests/test_docs.py`."""

from __future__ import annotations

import ast
import configparser
import re
import tomllib
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db.models import Field, ManyToManyField

from gradequeue import env
from gradequeue.dashboard.views import graders
from gradequeue.monitoring import health
from submissions import errors, operators, signals
from submissions.accounts import throttle
from submissions.errors import QueueError
from submissions.management.commands import enqueue
from submissions.models import DeliveryState, GraderQueue, Kind, Scope, ScoreMeaning, Transport
from submissions.rest import problems, urls
from submissions.xqueue.urls import urlpatterns as xqueue_urls
from tests.cli.test_queues import FIELDS
from tests.pages import rest_reference
from tests.test_docs import DOCS, own_commands, page, rows, sections, words
from tests.walkthrough import ROOT

pytestmark = pytest.mark.once

TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda path: path.stem)
def test_no_table_has_the_same_line_twice(path: Path) -> None:
    for table in TABLE.findall(path.read_text()):
        cells = [line.strip("|\n ").split(" | ") for line in table.splitlines()[2:]]
        names = Counter(row[0] for row in cells if re.fullmatch(r"`[^`]+`", row[0]))
        # What a move does depends on where it starts; a login is asked for in two ways.
        twice = {name for name, count in names.items() if count > 1} - {f"`{verb}`" for verb in MOVES}
        assert not twice, twice


MOVES = ("claim", "fail", "retire", "retry", "release", "complete", "supersede", "enqueue")


# Settings. ------------------------------------------------------------------------------------------------------------


def test_each_queue_setting_has_its_default() -> None:
    shown = {words(cells[0])[0]: cells[1] for cells in rows(page("settings.md"), "## Settings of a queue")}
    fields = {field.name: field for field in (*GraderQueue._meta.fields, *GraderQueue._meta.many_to_many)}
    assert {name: default for name, default in shown.items() if not _is_default(fields[name], default)} == {}


def _is_default(field: Field[Any, Any] | ManyToManyField[Any, Any], shown: str) -> bool:
    if isinstance(field, ManyToManyField):
        return shown == "none"
    if not field.has_default() or field.default in (None, ""):
        return shown in ("", "empty") or shown.startswith("as `SUBMISSIONS_")
    return shown == ("off" if field.default is False else f"`{field.default}`")


def test_each_number_of_the_environment_has_its_default() -> None:
    shown = {words(cells[0])[0]: cells[1:3] for cells in rows(page("settings.md"), "## Environment of the service")}
    found = {}
    for node in ast.walk(ast.parse((ROOT / "src" / "gradequeue" / "settings.py").read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "env.number":
            least = next((ast.literal_eval(one.value) for one in node.keywords if one.arg == "at_least"), 1)
            default = eval(ast.unparse(node.args[1]))
            found[ast.literal_eval(node.args[0])] = [f"whole number, {least} or more", f"`{default}`"]
    assert len(found) > 10
    assert {name: shown[name] for name in found} == found
    assert {name for name, (kind, _) in shown.items() if kind.startswith("whole number")} == set(found)


def test_each_extra_of_the_package_has_its_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    shown = {word for cells in rows(page("installing.md"), "### Extras") for word in words(cells[0])}
    assert shown == set(project["optional-dependencies"])
    for heading in ("### Databases", "### Storage"):
        asked = set(re.findall(r"gradequeue\[(\w+)\]", page("settings.md").split(heading, 1)[1].split("\n#", 1)[0]))
        assert asked
        assert asked <= shown


def test_each_option_of_the_storage_is_named() -> None:
    text = page("settings.md").split("### Storage", 1)[1].split("\n## ", 1)[0]
    said = re.search(r"options of django-storages, and no\nother: (.*?)\.", text, re.DOTALL)
    assert said is not None
    assert set(words(said[1])) - {"true", "false"} == {*env._S3_TEXTS, *env._S3_FLAGS}


# Commands. ------------------------------------------------------------------------------------------------------------


def test_each_member_that_enqueue_takes_has_its_line() -> None:
    table = rows(page("operating.md"), "### `gradequeue enqueue`")
    needed = {word for cells in table if not cells[1].startswith("optional") for word in words(cells[0])}
    assert needed == set(enqueue.REQUIRED)
    shown = {word for cells in table for word in words(cells[0])}
    assert shown == {*enqueue.REQUIRED, *enqueue.ITEM, *enqueue.OPTIONAL}


def test_each_member_of_a_queues_line_is_told() -> None:
    table = rows(page("operating.md"), "switches them off.\n")
    # Named below the table.
    assert {word for cells in table for word in words(cells[1])} == set(FIELDS) - {"queue_name", "paused", "at_least"}


def test_each_filter_of_deliveries_has_its_values() -> None:
    table = {words(cells[0])[0].split()[0]: words(cells[1]) for cells in rows(page("operating.md"), "failure](deliver")}
    assert (table["--state"], table["--transport"]) == (DeliveryState.values, [*table["--transport"]])
    assert set(table["--transport"]) == set(Transport.values)


def test_the_commands_of_make_are_targets() -> None:
    shown = set(re.findall(r"(?<!`)`make ([a-z0-9-]+)", (ROOT / "CONTRIBUTING.md").read_text()))
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == targets
    assert len(shown) > 10
    assert shown <= targets


@pytest.mark.parametrize("name", sorted(own_commands()))
def test_no_option_is_documented_that_is_not_there(name: str) -> None:
    tables = "".join(TABLE.findall(sections()[name]))
    shown = {option for cell in re.findall(r"^\| ([^|]*)\|", tables, re.MULTILINE) for option in _options_in(cell)}
    assert shown <= set(_defaults(own_commands()[name].create_parser("gradequeue", name)))


@pytest.mark.parametrize("name", sorted(own_commands()))
def test_each_option_has_its_default(name: str) -> None:
    known = _defaults(own_commands()[name].create_parser("gradequeue", name))
    lines = re.findall(r"^\| (`--[^|]*) \| ([^|]*) \| [^|]* \|$", sections()[name], re.MULTILINE)
    for cell, shown in lines:
        defaults = [known[option] for option in _options_in(cell)]
        given = [one for one in defaults if one not in (None, False)]
        assert [part.strip(" `") for part in shown.split(",")] == [str(one) for one in given] or not (shown or given)


def _options_in(cell: str) -> list[str]:
    return re.findall(r"`(--[a-z_-]+)", cell)


def _defaults(parser: ArgumentParser) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for sub in action.choices.values():
                found |= _defaults(sub)
        found |= dict.fromkeys(action.option_strings, action.default)
    return found


# Operators. -----------------------------------------------------------------------------------------------------------


def _moves() -> list[operators.Move]:
    return [one for one in vars(operators).values() if isinstance(one, operators.Move)]


def test_each_operators_permission_is_on_both_pages() -> None:
    wanted = {move.permission.rpartition(".")[2] for move in _moves()}
    assert len(wanted) == 5
    admin = {word for cells in rows(page("admin.md"), "## Who may do what") for word in words(cells[0])}
    assert {word for word in admin if word.startswith("can_")} == wanted
    table = page("dashboard.md").split("| permission | button |", 1)[1]
    assert set(re.findall(r"^\| `submissions\.(\w+)` \|", table, re.MULTILINE)) == wanted


def test_each_change_of_a_graders_account_has_its_permission() -> None:
    table = rows(page("dashboard.md"), "**Graders**, for staff.")
    shown = {word for cells in table for word in words(cells[2])}
    assert shown == {name for change in graders.CHANGES.values() for name in change.permissions}


def test_each_thing_that_is_notified_has_its_line() -> None:
    shown = [cells[0] for cells in rows(page("notifications.md"), "dashboard's page *Notifications*")]
    assert shown == [label[0].lower() + label[1:] for label in Kind.labels]


def test_each_rule_of_the_lights_has_its_line() -> None:
    source = ast.parse((ROOT / "src" / "submissions" / "statistics" / "lights.py").read_text())
    rules = Counter(
        node.value.elts[0].id.lower()
        for node in ast.walk(source)
        if isinstance(node, ast.Yield)
        and isinstance(node.value, ast.Tuple)
        and isinstance(node.value.elts[0], ast.Name)
    )
    shown = Counter(cells[0] for cells in rows(page("dashboard.md"), "## Lights"))
    # "never polled" and "not for so long" are one line; green is what is left.
    assert (shown["red"], shown["amber"], shown["green"]) == (rules["red"] - 1, rules["amber"], 1)


# Platforms and graders. -----------------------------------------------------------------------------------------------


def test_each_signal_of_a_job_is_on_the_page() -> None:
    shown = {word for cells in rows(page("platforms.md"), "**Results.**") for word in words(cells[0])}
    ours = {name for name in vars(signals) if name.startswith("job_") and name != "job_not_pushed"}
    assert shown == ours | {"score_set", "score_reset"}


def test_each_endpoint_of_xqueue_has_its_section_and_its_line() -> None:
    there = {str(pattern.pattern).strip("/") for pattern in xqueue_urls} | {"files"}
    assert set(re.findall(r"^## `(\w+)`$", page("xqueue.md"), re.MULTILINE)) == there
    listed = {word.partition("/")[0] for cells in rows(page("xqueue.md"), "## Endpoints") for word in words(cells[0])}
    assert listed == there


def test_each_refusal_of_a_verb_has_its_line() -> None:
    shown = {words(cells[0])[0] for cells in rows(page("states.md"), "without a key ([how]")}
    refusals = {
        one.__name__ for one in vars(errors).values() if isinstance(one, type) and QueueError in one.__mro__[1:]
    }
    # One kind of BadReply.
    assert shown == refusals - {"AboveShare"}


def test_each_meaning_of_a_score_has_its_line() -> None:
    assert [words(cells[0])[0] for cells in rows(page("states.md"), "What the number")] == ScoreMeaning.values


def test_each_scope_has_its_line() -> None:
    assert [words(cells[0])[0] for cells in rows(page("rest.md"), "## Tokens")] == Scope.values


def test_the_reference_is_what_the_document_makes() -> None:
    assert rest_reference.PAGE.read_text() == rest_reference.text(), "run `make reference`"


def test_the_requests_of_the_rest_page_are_requests() -> None:
    paths = {
        re.sub(r"<\w+:(\w+)>", r"{\1}", str(one.pattern)).replace("{claim_id}", "{id}") for one in urls.urlpatterns
    }
    shown = re.findall(r"`(?:GET|POST|PUT|PATCH|DELETE)\s+([a-z][^`?]*)`", page("rest.md"))
    assert len(shown) > 10
    assert {one for one in shown if one not in paths} == set()


def test_each_problem_has_its_section_with_its_status() -> None:
    part = page("errors.md").split("## Problems of REST", 1)[1].split("\n## ", 1)[0]
    shown = dict(re.findall(r"^### `([a-z-]+)`\n\n(\d{3})\. ", part, re.MULTILINE))
    assert shown == {kind.name: str(kind.status) for kind in problems.KINDS}
    assert sum(kind.base == problems.OEP_69 for kind in problems.KINDS) == 6


def test_each_check_has_its_line() -> None:
    shown = {words(cells[0])[0] for cells in rows(page("errors.md"), "## Checks at the start")}
    sources = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    assert shown == set(re.findall(r'id="((?:submissions|gradequeue)\.[EW]\d+)"', sources))


# Operating. -----------------------------------------------------------------------------------------------------------


def test_each_unit_and_each_folder_has_its_line() -> None:
    units = {path.name for path in (ROOT / "ops" / "systemd").iterdir() if path.suffix in (".service", ".timer")}
    # A timer's own service is started by it.
    started = {name for name in units if name.replace(".service", ".timer") in units and name.endswith(".service")}
    assert {words(cells[0])[0] for cells in rows(page("systemd.md"), "## The service")} == units - started
    folders = {
        path.parent.relative_to(ROOT / "ops/kubernetes") for path in ROOT.glob("ops/kubernetes/**/kustomization.yaml")
    }
    shown = {words(cells[0])[0] for cells in rows(page("kubernetes.md"), "Everything is in `ops/kubernetes`")}
    assert shown == {str(folder) for folder in folders}


def test_each_limit_of_nginx_is_one_of_the_file() -> None:
    found = {
        name
        for path in (ROOT / "ops" / "nginx").iterdir()
        for name in re.findall(r"^\s*(\w+) ", path.read_text(), re.M)
    }
    shown = {word for cells in rows(page("systemd.md"), "## nginx") for word in words(cells[1])}
    assert len(shown) > 5
    assert shown - found == set()


def test_each_check_of_readiness_has_its_line() -> None:
    table = rows(page("monitoring.md"), "`/readyz` shows each check")
    assert tuple(words(cells[0])[0] for cells in table) == health.CHECKS


def test_the_numbers_of_sessions_and_logins_are_those_of_the_code() -> None:
    text = page("sessions.md")
    assert (settings.SESSION_IDLE_SECONDS, settings.SESSION_COOKIE_AGE) == (8 * 3600, 14 * 24 * 3600)
    assert "after 8 hours (`GRADEQUEUE_SESSION_IDLE_SECONDS`)" in text
    assert "after 14 days (`GRADEQUEUE_SESSION_SECONDS`)" in text
    free = [int(re.match(r"\d+", cells[1])[0]) for cells in rows(text, "## Guessing")]  # type: ignore[index]
    assert free == [5, 5 * throttle.NETWORK, 5 * throttle.ACCOUNT]
    assert (throttle.USUAL.days, throttle.FORGET.total_seconds()) == (90, 3600)


def test_each_decision_has_its_line() -> None:
    folder = DOCS / "decisions"
    lines = re.findall(r"^\| \[(\d{4})\]\((.*?)\) \| (.*) \|$", (folder / "README.md").read_text(), re.MULTILINE)
    assert sorted(name for _, name, _ in lines) == sorted(path.name for path in folder.glob("0*.md"))
    assert all(name.startswith(number) for number, name, _ in lines)


# Architecture. --------------------------------------------------------------------------------------------------------


def test_the_layers_are_those_of_the_contract() -> None:
    contract = configparser.ConfigParser(comment_prefixes=(";",))
    contract.read(ROOT / ".importlinter")
    layers = contract["importlinter:contract:layers"]["layers"].strip().splitlines()
    shown = re.search(r"From the top:\n\n```text\n(.*?)```", page("architecture.md"), re.DOTALL)
    assert shown is not None
    assert shown[1].splitlines() == layers


def test_every_file_that_the_architecture_names_is_there() -> None:
    text = page("architecture.md")
    table = re.search(r"^## Where is \.\.\..*?^## Rooms", text, re.DOTALL | re.MULTILINE)
    assert table is not None
    named = {word for word in words(table[0]) if word.endswith((".py", "/"))}
    assert len(named) > 30
    bases = [ROOT / "src" / "submissions", ROOT / "src", ROOT]
    inside = [
        path
        for base in ("queue", "deliveries", "statistics", "files", "xqueue", "rest", "accounts")
        for path in [bases[0] / base]
    ]
    beside = [bases[1] / "gradequeue" / room for room in ("processes", "http", "notifications")]
    assert {one for one in named if not any((base / one).exists() for base in (*bases, *inside, *beside))} == set()
