"""Names that nobody promises to keep: each is in one table of `docs/architecture.md`, and there are few."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from tests.test_docs import page, rows, words
from tests.walkthrough import ROOT

pytestmark = pytest.mark.once

SRC = ROOT / "src"
OWN = ("submissions", "gradequeue")
MOST = 20
# They begin with an underscore, and are in the documentation of Django or Python all the same.
DOCUMENTED = {"_meta", "_state", "_default_manager", "_base_manager", "_exit", "_srcfile"}

Found = set[tuple[str, str]]
"""(name, file below src)"""


def is_private(name: str) -> bool:
    """Also of a package's own room for what is not for others."""
    begins = name.startswith("_") and not name.startswith("__") and name.strip("_") != ""
    return name == "internal" or (begins and name not in DOCUMENTED)


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(SRC.rglob("*.py")):
        if "migrations" not in path.parts:
            yield path, ast.parse(path.read_text())


def below_src(path: Path) -> str:
    return str(path.relative_to(SRC))


def imported(tree: ast.Module) -> Iterator[str]:
    """Private modules of others, and private names out of their modules."""
    for node in ast.walk(tree):
        parts: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            parts = [*node.module.split("."), *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Import):
            parts = [part for alias in node.names for part in alias.name.split(".")]
        if parts and parts[0] not in (*OWN, "__future__"):
            yield from filter(is_private, parts)


def defined(tree: ast.Module) -> Iterator[str]:
    """What our own code gives a name to: functions, classes, arguments, variables, attributes of `self`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_self(node.value):
            yield node.attr


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def reached(tree: ast.Module, own: set[str]) -> Iterator[str]:
    """`something._name`, where nothing of ours has this name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own:
            yield node.attr


def inherited(path: Path, tree: ast.Module) -> Iterator[str]:
    """What a class of ours overrides, sets or calls of a class of somebody else's."""
    module = ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.bases]
    for node in classes:
        kind = getattr(importlib.import_module(module), node.name, None)
        if inspect.isclass(kind):
            theirs = foreign_names(kind)
            yield from (name for name in used_inside(node) if is_private(name) and name in theirs)


def used_inside(node: ast.ClassDef) -> Iterator[str]:
    for part in node.body:
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            yield part.name
        targets = (
            part.targets if isinstance(part, ast.Assign) else [part.target] if isinstance(part, ast.AnnAssign) else []
        )
        yield from (target.id for target in targets if isinstance(target, ast.Name))
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute) and (is_self(inner.value) or is_super(inner.value)):
            yield inner.attr


def is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def foreign_names(kind: type) -> set[str]:
    """Names of the bases that are not ours: what their classes have, and what their methods set or read."""
    bases = [base for base in kind.__mro__ if base.__module__.split(".")[0] not in (*OWN, "builtins")]
    functions = [part for base in bases for part in vars(base).values() if isinstance(part, FunctionType)]
    found: set[str] = reduce(set.union, (set(vars(base)) for base in bases), set())
    return found.union(*(part.__code__.co_names for part in functions))


def in_the_code() -> Found:
    own: set[str] = {name for _, tree in sources() for name in defined(tree)}
    found: Found = set()
    for path, tree in sources():
        names: list[Any] = [*imported(tree), *reached(tree, own), *inherited(path, tree)]
        found |= {(name, below_src(path)) for name in names}
    return found


def in_the_table() -> Found:
    table = rows(page("architecture.md"), "## Names that are not public")
    return {(name.rpartition(".")[2], words(cells[1])[0]) for cells in table for name in words(cells[0])}


def test_every_private_name_is_in_the_table_and_no_other_is() -> None:
    assert in_the_code() == in_the_table()


def test_there_are_few() -> None:
    assert len(in_the_table()) <= MOST


def test_each_is_found_where_it_hides(tmp_path: Path) -> None:
    tree = ast.parse(
        "from granian import _signals\nimport a._b\nfrom c._d import _e\nfrom submissions._own import f\n"
        "x._g\ndef _ours(): pass\nx._ours()\nx._meta.y\nx.__dict__\n"
    )
    assert sorted(imported(tree)) == ["_b", "_d", "_e", "_signals"]
    assert list(reached(tree, set(defined(tree)))) == ["_g"]
    lazy = ast.parse("class ConfiguredStorage(B):\n def _setup(self):\n  self._wrapped = 1\n def _own(self): pass\n")
    path = SRC / "submissions" / "models" / "file.py"
    assert sorted(set(inherited(path, lazy))) == ["_setup", "_wrapped"]
