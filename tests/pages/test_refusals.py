"""What the XQueue endpoints say when they refuse: the tables of the pages and the code, both ways."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_docs import page, words
from tests.walkthrough import ROOT

pytestmark = pytest.mark.once
SRC = ROOT / "src"
# The files that answer, and the page whose tables have what they answer.
FILES = {
    "xqueue.md": ["submissions/xqueue/endpoints.py", "submissions/xqueue/views.py", "submissions/views/files.py"],
    "platforms.md": ["submissions/xqueue/submit.py"],
}
# Sentences that come as the text of an exception, or before any endpoint: the file that words each, and a part of it.
ELSEWHERE = {
    "There is nothing at this address": ("gradequeue/http/errors.py", "There is nothing at this address"),
    "All is busy; please try again": ("gradequeue/processes/admission.py", "All is busy; please try again"),
    "Too many failed logins; try again in 8 seconds": ("submissions/accounts/throttle.py", "Too many failed logins"),
    "Incorrect reply format": ("submissions/xqueue/wire.py", "Incorrect reply format"),
    "Incorrect reply format: control character in a text, column 36": (
        "submissions/xqueue/wire.py",
        "control character in a text",
    ),
    "Queue request has invalid format": ("submissions/intake/requests.py", "Queue request has invalid format"),
    "Queue request has invalid format: ": ("submissions/intake/requests.py", "Queue request has invalid format"),
    "Queue 'q' is full: 1000 jobs wait already. Try again later.": ("submissions/queue/limits.py", "is full: "),
}
# No refusals, or the same sentence without any names, which the page says in words.
NOT_IN_A_TABLE = {("200", "login_required"), ("200", re.escape("Valid queue names are: "))}


def in_code(name: str) -> Iterator[tuple[str, str]]:
    """The status and the sentence of each refusal, as a pattern: what is filled in is `.*`."""
    for node in ast.walk(ast.parse((SRC / name).read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 2:
            status, said = node.args
            if node.func.id in ("refused", "_refused") and _is_status(status):
                yield from _pattern(ast.unparse(status), said)
            elif node.func.id == "_refuse":
                yield from _pattern("200", said)
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2 and _is_status(node.elts[0]):
            yield from _pattern(ast.unparse(node.elts[0]), node.elts[1])


def _is_status(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


def _pattern(status: str, said: ast.expr) -> Iterator[tuple[str, str]]:
    if isinstance(said, ast.IfExp):
        yield from _pattern(status, said.body)
    elif isinstance(said, ast.Constant):
        yield status, re.escape(str(said.value))
    elif isinstance(said, ast.JoinedStr):
        parts = (re.escape(str(one.value)) if isinstance(one, ast.Constant) else ".*" for one in said.values)
        yield status, "".join(parts)


def on_page(name: str) -> set[tuple[str, str]]:
    """The status and the sentence of each line of the tables of refusals."""
    tables = re.findall(r"^\| \w+ \| status \| content \|\n\| --- \| --- \| --- \|\n((?:\|.*\n)+)", page(name), re.M)
    lines = [line.strip("| ").split(" | ") for table in tables for line in table.splitlines()]
    return {(status[:3], said) for _, status, content in lines for said in words(content)}


@pytest.mark.parametrize("name", FILES)
def test_each_refusal_of_the_code_is_on_the_page(name: str) -> None:
    told = {one for file in FILES[name] for one in in_code(file)} - NOT_IN_A_TABLE
    shown = on_page(name)
    assert len(told) > 4
    assert {one for one in told if not any(_is(one, line) for line in shown)} == set()


@pytest.mark.parametrize("name", FILES)
def test_each_refusal_of_the_page_is_in_the_code(name: str) -> None:
    told = {one for files in FILES.values() for file in files for one in in_code(file)}
    for line in on_page(name):
        if not any(_is(one, line) for one in told):
            file, part = ELSEWHERE[line[1]]
            assert part in Path(SRC / file).read_text(), line


def _is(told: tuple[str, str], line: tuple[str, str]) -> bool:
    return told[0] == line[0] and re.fullmatch(told[1], line[1]) is not None
