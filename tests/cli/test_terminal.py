"""What learners and graders wrote, on an operator's terminal."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from gradequeue import cli
from submissions.management.base import shown
from submissions.management.quiet import DJANGOS
from tests.server import GRADEQUEUE, Server


def test_control_characters_are_shown_and_not_sent() -> None:
    assert shown("\x1b[2Jred\x07 é\nsecond line\r") == "\\x1b[2Jred\\x07 é\nsecond line\\r"


def test_every_command_of_ours_is_in_one_group() -> None:
    listed = [name for names in cli.GROUPS.values() for name in names]
    assert sorted(listed) == sorted(name for name, app in get_commands().items() if app in cli.OURS)


def test_the_help_fits_a_terminal_and_says_each_thing_once(server: Server) -> None:
    said = server.run("help").stdout
    assert max(map(len, said.splitlines())) <= 80
    assert re.findall(r"^(\w[\w ]*):$", said, re.MULTILINE) == list(cli.GROUPS)
    assert "  show           Show submissions: state, score, reply, times, deliveries\n" in said
    assert "--traceback" in said


@pytest.mark.parametrize("name", [name for names in cli.GROUPS.values() for name in names])
def test_the_help_of_a_command_is_about_itself(name: str) -> None:
    app = get_commands()[name]
    command = load_command_class(str(app), name)
    assert command.suppressed_base_arguments == DJANGOS


def test_a_shell_completes_commands_and_options(server: Server, tmp_path: Path) -> None:
    """In bash. What zsh and fish ask is the same, in the same variables."""
    (tmp_path / "script").write_text(server.run("completion", "bash").stdout)
    asked = "COMP_WORDS=(gradequeue jobs --sta); COMP_CWORD=2; _gradequeue gradequeue; echo ${COMPREPLY[@]}"
    path = f"{Path(GRADEQUEUE).parent}:{server.env['PATH']}"
    words = ["bash", "-c", f"source {tmp_path / 'script'}; {asked}"]
    done = subprocess.run(words, env=server.env | {"PATH": path}, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["--state="], done.stderr
    for shell in ("zsh", "fish"):
        said = server.run("completion", shell).stdout
        assert all(name in said for name in ("COMP_WORDS", "COMP_CWORD", "DJANGO_AUTO_COMPLETE"))


def test_what_grader_create_assumes_it_says(server: Server, name: str) -> None:
    done = server.run("grader", "create", name)
    assert json.loads(done.stdout)["default"]["SERVER"] == "http://127.0.0.1:8000"
    assert "The server is assumed at http://127.0.0.1:8000; --server names another address." in done.stderr


def test_bytes_that_are_no_text_are_told(server: Server) -> None:
    done = subprocess.run(
        [GRADEQUEUE, "retire-user", b"\xff"], env=server.env, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 2
    assert done.stderr.decode().splitlines()[-1] == "gradequeue: an argument holds bytes that are no text in UTF-8."
    assert b"Traceback" not in done.stderr


def test_a_terminal_without_the_letters_of_a_name_shows_their_numbers(server: Server, name: str) -> None:
    server.enqueue({"queue_name": f"{name}-برمجة"})
    env = server.env | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([GRADEQUEUE, "queues"], env=env, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{name}-\\u0628\\u0631\\u0645\\u062c\\u0629" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["token", "create", "ada", "--scope", "claim", "--queue", "q", "--expires-at", "2027-02-30"],
            "argument --expires-at: '2027-02-30' is neither a day nor a time, such as 2027-01-31",
        ),
        (
            ["analyze_uploaded_file_sizes", "--min_date", "yesterday"],
            "argument --min_date: 'yesterday' is no day, such as 2027-01-31",
        ),
    ],
)
def test_a_day_that_is_none_is_told_by_an_example(server: Server, words: list[str], said: str) -> None:
    done = server.run(*words, check=False)
    assert done.returncode == 2
    assert said in done.stderr
