"""The pages say what the code does: their tables are held against it, and their commands are run."""

from __future__ import annotations

import ast
import inspect
import json
import re
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from submissions import queue
from submissions.conf import MAY_BE_ZERO, Conf
from submissions.deliveries import Message
from submissions.deliveries.transports import webhook
from submissions.management.base import DataCommand
from submissions.models import DeliveryState, GraderQueue, Status, Transport
from tests.queue import test_states
from tests.sandboxes import why_none
from tests.walkthrough import ROOT, WALKED, Reader, fits, steps

pytestmark = pytest.mark.once

DOCS = ROOT / "docs"
FOLDERS = ("benchmarks", "tests/nemesis", "tests/ha", "tests/soak", "packages/gradequeue-grader")
ELSEWHERE = [ROOT / place / "README.md" for place in FOLDERS]
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ELSEWHERE])


def page(name: str) -> str:
    return (DOCS / name).read_text()


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table below the line that `heading` begins, without its head."""
    below = text.split(f"\n{heading}", 1)[1]
    lines = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    assert lines is not None, heading
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines[0].splitlines()[2:]]


def words(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


# States. --------------------------------------------------------------------------------------------------------------

# What the table of tests calls differently, because it says more than the move.
MOVES = {"complete_other": "complete", "complete_unscorable": "fail", "release_lease": "release"}


def documented_moves() -> set[tuple[str, str, str]]:
    table = rows(page("states.md"), "## Moves")
    return {
        (move, old, new)
        for cells in table
        for move in words(cells[0])
        for old in words(cells[2])
        for new in words(cells[3])
    }


def moves_under_test() -> set[tuple[str, str, str]]:
    """From the literal table of `test_states`: what was taken, or stands in another state afterwards."""
    return {
        (MOVES.get(verb, verb), state.partition("_")[0], afterwards)
        for state, verb, outcome, afterwards, _ in test_states.ROWS
        if outcome == "taken" or state.partition("_")[0] != afterwards
    }


def test_the_table_of_moves_is_the_one_that_is_tested() -> None:
    assert documented_moves() == moves_under_test()
    assert ("claim", "pulled", "failed") in documented_moves()


def test_the_drawing_is_the_one_above_the_code() -> None:
    drawing = re.search(r"```text\n(enqueue -->.*?)```", page("states.md"), re.DOTALL)
    assert drawing is not None
    assert drawing[1].strip() in inspect.cleandoc(queue.__doc__ or "").replace("\n    ", "\n")


def test_every_state_has_its_line_on_available_at() -> None:
    table = rows(page("states.md"), "## Who is next")
    assert [words(cells[0])[0] for cells in table] == ["pending", "retry", "pulled", "retired", "failed"]
    assert {words(cells[0])[0] for cells in table} == set(Status.values)
    assert [words(cells[0])[0] for cells in table if cells[1] == "NULL"] == ["retired", "failed"]


# Deliveries. ----------------------------------------------------------------------------------------------------------


def test_every_state_of_a_delivery_and_every_transport_has_its_line() -> None:
    for heading, values in (("## States", DeliveryState.values), ("## Where results go", Transport.values)):
        assert {words(cells[0])[0] for cells in rows(page("deliveries.md"), heading)} == set(values)


def test_the_example_of_a_webhook_is_what_is_sent() -> None:
    example = re.search(r"```json\n(.*?)```", page("deliveries.md"), re.DOTALL)
    assert example is not None
    shown = json.loads(example[1])
    message = Message(
        **{name: value for name, value in shown["data"].items() if name not in ("queue_key", "reference")},
        delivery_id=1,
        attempt=1,
        transport="webhook",
        destination="",
        header=None,
        result="score",
        queue_key=shown["data"]["queue_key"],
        ready_at=datetime.fromisoformat(shown["timestamp"]),
    )
    assert webhook.payload(message) == shown


# Settings. ------------------------------------------------------------------------------------------------------------


def test_every_setting_of_the_app_has_its_line_with_type_and_default() -> None:
    table = rows(page("settings.md"), "## Django settings of the app")
    documented = {
        words(name)[0]: (kind, "" if default == "empty" else words(default)[0]) for name, kind, default, _ in table
    }
    assert documented == {
        f"SUBMISSIONS_{name}": (_in_words(name, kind), str(vars(Conf)[name]))
        for name, kind in get_type_hints(Conf).items()
    }


def _in_words(name: str, kind: Any) -> str:
    if kind is int:
        return f"whole number, {0 if name in MAY_BE_ZERO else 1} or more"
    kinds: dict[Any, str] = {bool: "`True` or `False`", str: "text"}
    return (kinds | {list[str]: "list of texts", dict[str, str]: "dict of texts"})[kind]


def test_every_variable_of_the_environment_has_its_line() -> None:
    documented = [words(cells[0])[0] for cells in rows(page("settings.md"), "## Environment of the service")]
    assert sorted(documented) == sorted(variables_in_the_code())


def variables_in_the_code() -> set[str]:
    """Every string in the service that is such a name, whole."""
    names = re.compile(r"GRADEQUEUE_[A-Z_]+|(?:DATABASE|CACHE|EMAIL)_URL")
    sources = (ast.parse(path.read_text()) for path in (ROOT / "src" / "gradequeue").rglob("*.py"))
    strings = (node.value for source in sources for node in ast.walk(source) if isinstance(node, ast.Constant))
    return {text for text in strings if isinstance(text, str) and names.fullmatch(text)}


def test_every_setting_of_a_queue_has_its_line() -> None:
    # Not an operator's to set.
    ours = {"id", "last_polled_at", "last_polled_by", "points_seen_at", "incomplete_at"}
    fields = {field.name for field in (*GraderQueue._meta.fields, *GraderQueue._meta.many_to_many)} - ours
    assert {words(cells[0])[0] for cells in rows(page("settings.md"), "## Settings of a queue")} == fields


# Commands. ------------------------------------------------------------------------------------------------------------


def own_commands() -> dict[str, BaseCommand]:
    ours = {name: app for name, app in get_commands().items() if app in ("submissions", "gradequeue")}
    return {name: load_command_class(str(app), name) for name, app in ours.items()}


def sections() -> dict[str, str]:
    """The part of docs/operating.md on each command."""
    found = re.split(r"^### `gradequeue ([a-z_-]+)`.*\n", page("operating.md"), flags=re.MULTILINE)
    return {
        name: re.split(r"^##", text, flags=re.MULTILINE)[0] for name, text in zip(found[1::2], found[2::2], strict=True)
    }


def test_every_command_has_its_section_and_no_other_has_one() -> None:
    assert sorted(sections()) == sorted(own_commands())


@pytest.mark.parametrize("name", sorted(own_commands()))
def test_every_option_of_a_command_is_documented(name: str) -> None:
    section = sections()[name]
    missing = [option for option in options(own_commands()[name]) if f"`{option}" not in section]
    assert missing == []


def options(command: BaseCommand) -> Iterator[str]:
    """The long options and the subcommands, without what every command has."""
    usual = {action.dest for action in DataCommand().create_parser("gradequeue", "x")._actions}
    yield from _of_parser(command.create_parser("gradequeue", "x"), usual)


def _of_parser(parser: Any, usual: set[str]) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for name, sub in action.choices.items():
                yield name
                yield from _of_parser(sub, usual)
        elif action.dest not in usual:
            yield from (option for option in action.option_strings if option.startswith("--"))


# Pages. ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not link.startswith(("http://", "https://"))]
    assert [link for link in links if not _leads_somewhere(path, link)] == []


def _leads_somewhere(path: Path, link: str) -> bool:
    place, _, anchor = link.partition("#")
    target = (path.parent / place).resolve() if place else path
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_page_can_be_reached_from_the_readme(path: Path) -> None:
    assert path in _reached(ROOT / "README.md", set())


def _reached(path: Path, seen: set[Path]) -> set[Path]:
    seen.add(path)
    for link in re.findall(r"\]\(([^)#\s]+\.md)", path.read_text()):
        target = (path.parent / link).resolve()
        if target.is_relative_to(ROOT) and target.exists() and target not in seen:
            _reached(target, seen)
    return seen


# Promises. ------------------------------------------------------------------------------------------------------------

NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_that_a_page_names_is_there(path: Path) -> None:
    for place, function in NAMED.findall(path.read_text()):
        assert (ROOT / place).is_file(), place
        assert not function or f"\ndef {function}(" in (ROOT / place).read_text(), f"{place}::{function}"


def test_each_promise_names_its_test() -> None:
    security = (ROOT / "SECURITY.md").read_text().split("\n## What is promised\n", 1)[1].split("\n## ", 1)[0]
    promises = re.findall(r"^\* .*\n(?:  .*\n)*", security, re.MULTILINE)
    assert len(promises) >= 14
    assert [promise for promise in promises if not NAMED.search(promise)] == []
    table = rows(page("operating.md"), "## What is promised, and its tests")
    assert len(table) >= 20
    assert [promise for promise, tests in table if not NAMED.search(tests)] == []


@pytest.mark.django_db
def test_the_python_of_the_readme_makes_a_job() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    (code,) = (block for block in blocks if "create_external_grader_detail" in block)
    exec(compile(code, "README.md", "exec"), {})
    (job,) = queue.claim("python", grader="ada")
    assert job.answer == "def double(n): return 2 * n"
    assert [row.original_filename for row in job.row.files.all()] == ["notes.txt"]


@pytest.fixture
def readable_folder() -> Iterator[Path]:
    """Also for the users of root's sandboxes; pytest's own folders are for their owner alone."""
    with tempfile.TemporaryDirectory(prefix="gradequeue-reader-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.mark.walk
@pytest.mark.parametrize("name", WALKED)
def test_the_commands_of_a_page_print_what_it_shows(name: str, readable_folder: Path) -> None:
    if "gradequeue-grader " in (ROOT / name).read_text() and why_none():
        pytest.skip(f"NOT RUN: the page's graders run in sandboxes: {why_none()}")
    reader = Reader(readable_folder)
    try:
        for step in steps(ROOT / name):
            printed = reader.follow(step)
            assert fits(step.shown, printed), f"$ {step.command}\n" + "\n".join(printed)
    finally:
        reader.close()
