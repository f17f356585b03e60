"""What the files of a submission may be called: what the server tells, and nothing that leads out of their folder."""

from __future__ import annotations

import pytest

from gradequeue_grader.formats import Ungradable
from gradequeue_grader.protocols import Job, NotForThisGrader, Setup
from gradequeue_grader.protocols.job import check_names
from gradequeue_grader.protocols.watcher import Watcher
from gradequeue_grader.trial import claim_of


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["program.py"],
        ["src/main.py", "src/lib/a b.py"],
        ["a..b", ".hidden", "\u00fc/\u2603.py"],
        ["a", "ab/c"],
        ["a/" * 511 + "ab"],
    ],
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
        ["half\ud800"],
        ["a/" * 511 + "abc"],
        ["x/" * 3000 + "y"],
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(names: list[str]) -> None:
    with pytest.raises(Ungradable, match="is no name for a file"):
        check_names(names)


@pytest.mark.parametrize("payload", [{"grader": "half\ud800.py"}, {"grader": "x" * 1025}, {"grader": "../x.py"}])
def test_a_payload_that_no_process_can_be_told_is_not_the_machines_fault(payload: dict[str, str]) -> None:
    job = Job(claim_of({}, "", payload, 1, 1), {}, 0)
    with pytest.raises(NotForThisGrader, match="does not lie below the folder of graders"):
        Watcher(Setup(("true",))).task(job, "/job")


@pytest.mark.parametrize(("told", "wanted"), [("de", "de"), ("half\ud800", "en"), ("x" * 1025, "en"), (7, "en")])
def test_a_language_that_is_none_is_english(told: object, wanted: str) -> None:
    job = Job(claim_of({}, "", {"grader": "a.py", "lang": told}, 1, 1), {}, 0)
    assert Watcher(Setup(("true",))).task(job, "/job").environment["GRADER_LANGUAGE"] == wanted
