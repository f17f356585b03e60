"""What the files of a submission may be called: what the server tells, and nothing that leads out of their folder."""

from __future__ import annotations

import pytest

from gradequeue_grader.formats import Ungradable
from gradequeue_grader.protocols.job import check_names


@pytest.mark.parametrize(
    "names",
    [[], ["program.py"], ["src/main.py", "src/lib/a b.py"], ["a..b", ".hidden", "\u00fc/\u2603.py"], ["a", "ab/c"]],
)
def test_files_may_stand_in_folders(names: list[str]) -> None:
    check_names(names)


@pytest.mark.parametrize(
    "names",
    [
        [""],
        ["."],
        [".."],
        ["/etc/passwd"],
        ["../x"],
        ["a/../../x"],
        ["a//b"],
        ["a/"],
        ["a\0b"],
        ["x" * 256],
        ["a", "a/b"],
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(names: list[str]) -> None:
    with pytest.raises(Ungradable, match="is no name for a file"):
        check_names(names)
