"""Each defect still applies, the page tells of each, and a few are tried each time; `make mutants` tries them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants import report, trial
from tests.mutants.mutants import MUTANTS, Edit, Mutant

pytestmark = [pytest.mark.walk, pytest.mark.once]

PAGE = Path(__file__).with_name("README.md")
BY_NAME = {mutant.name: mutant for mutant in MUTANTS}


def test_each_has_a_name_of_its_own_and_tests_that_are_there() -> None:
    assert len(BY_NAME) == len(MUTANTS) >= 20
    for mutant in MUTANTS:
        for test in mutant.tests:
            file, _, name = test.partition("::")
            assert name in (trial.REPOSITORY / file).read_text(), mutant.name


@pytest.mark.parametrize("name", BY_NAME)
def test_it_applies(name: str, tmp_path: Path) -> None:
    for edit in BY_NAME[name].edits:
        (tmp_path / edit.file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / edit.file).write_text((trial.REPOSITORY / "src" / edit.file).read_text())
    trial.applied(BY_NAME[name], tmp_path)
    for edit in BY_NAME[name].edits:
        changed = (tmp_path / edit.file).read_text()
        compile(changed, edit.file, "exec")
        assert edit.new in changed


def test_one_whose_lines_are_gone_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    with pytest.raises(ValueError, match=r"^gone: a.py has 'x = 2' 0 times$"):
        trial.applied(Mutant("gone", "", (Edit("a.py", "x = 2", ""),), ()), tmp_path)


def test_the_page_has_a_line_for_each() -> None:
    told = [line.split("`")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert told == list(BY_NAME)
    assert PAGE.read_text().count("| yes |\n") == len(MUTANTS)


def test_a_report_says_which_was_not_caught() -> None:
    page = f"# Head\n\n{report.HEAD}| old |\n\nEnd\n"
    verdicts = {MUTANTS[0].name: trial.Verdict(caught=False, seconds=1, output="")}
    written = report.written(page, verdicts)
    assert written.count("| **no** |\n") == 1
    assert written.startswith("# Head\n")
    assert written.endswith("| not tried |\n\nEnd\n")
    assert "| old |" not in written


@pytest.mark.parametrize("name", [mutant.name for mutant in MUTANTS if mutant.short])
def test_it_is_caught(name: str) -> None:
    verdict = trial.try_out(BY_NAME[name])
    assert verdict.caught, verdict.output
