"""What graders call files: nothing that leads out of the folder they join it to."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submissions.files import name_for_graders


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["program.py"], ["program.py"]),
        (["src/main.py", "src/lib/a b.py"], ["src/main.py", "src/lib/a b.py"]),
        (['Ünï "q" ☃.py', ".hidden", "a..b"], ['Ünï "q" ☃.py', ".hidden", "a..b"]),
        (["../../etc/passwd"], ["etc/passwd"]),
        (["/etc/passwd", "//host/share"], ["etc/passwd", "host/share"]),
        (["C:\\autoexec.bat", "c:x", "..\\up.py"], ["autoexec.bat", "x", "up.py"]),
        (["a/../../b.py", "./c.py"], ["a/b.py", "c.py"]),
        (["a\nb.py", "a\x00b", "x\u202egnp.py"], ["ab.py", "ab", "xgnp.py"]),
        (["..", "", "\n", "/"], ["file", "file (2)", "file (3)", "file (4)"]),
        (["../a.py", "a.py", "/a.py"], ["a (2).py", "a.py", "a (3).py"]),
        (["a (2).py", "a.py", "../a.py"], ["a (2).py", "a.py", "a (3).py"]),
        (["a.py", "a.py"], ["a.py", "a (2).py"]),
        (["a", "a/b.py", "../a/b.py"], ["a", "a_b.py", "a_b (2).py"]),
        (["a/b.py", "a", "ab"], ["a/b.py", "a (2)", "ab"]),
        (["a_b.py", "a", "a/b.py"], ["a_b.py", "a", "a_b (2).py"]),
        (["a/b/c.py", "a/b", "a"], ["a/b/c.py", "a/b (2)", "a (2)"]),
    ],
)
def test_a_name_stays_unless_it_could_lead_out(names: list[str], told: list[str]) -> None:
    assert name_for_graders(names) == told


PARTS = st.sampled_from(["..", ".", "/", "\\", "C:", "a", "b.py", " ", "\n", "\u202e", "(2)", ":"])


@given(st.lists(st.lists(PARTS, max_size=6).map("".join) | st.text(max_size=20), unique=True, max_size=6))
def test_whatever_they_are_called_each_stays_inside_and_none_is_lost(names: list[str]) -> None:
    told = name_for_graders(names)
    assert len(set(told)) == len(names)
    folders = {str(folder) for name in told for folder in PurePosixPath(name).parents}
    assert not folders & set(told)
    for name in told:
        assert name.isprintable()
        for path in (PurePosixPath(name), PureWindowsPath(name)):
            assert path.parts
            assert not path.is_absolute()
            assert not path.drive
            assert ".." not in path.parts
