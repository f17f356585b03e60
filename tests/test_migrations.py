"""What every migration of ours must be."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from submissions import migrations
from submissions.migration import Resumable
from tests.test_docs import page, rows, words

pytestmark = pytest.mark.once

NAMES = sorted(path.stem for path in Path(migrations.__file__).parent.glob("[0-9]*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_run_again_after_it_broke_off(name: str) -> None:
    assert issubclass(import_module(f"submissions.migrations.{name}").Migration, Resumable)


def test_the_page_has_a_line_for_each_and_no_other() -> None:
    documented = [
        name for cells in rows(page("upgrading.md"), "### What the migrations do") for name in words(cells[0])
    ]
    assert documented == NAMES
