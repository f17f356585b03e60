"""`tutor gradequeue submissions ...`, the same as `tutor xqueue submissions ...`, and `do gradequeue-import-xqueue`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from typing import Any
from urllib.parse import urljoin

import click
import requests
from tutor import config as tutor_config
from tutor import exceptions
from tutor.commands.context import Context

# How long the queue may take for an answer (seconds).
PATIENCE = 30


class Queue:
    """A grader's session at the queue. Raises TutorError where it cannot be had."""

    def __init__(self, url: str, name: str, username: str, password: str) -> None:
        self.url = f"{url.rstrip('/')}/xqueue/"
        self.name = name
        self.account = {"username": username, "password": password}
        self.session = requests.Session()

    def login(self) -> None:
        answer = self._ask("POST", "login/", data=self.account)
        if answer.get("return_code") != 0:
            raise exceptions.TutorError(
                f"{self.url} refuses the account {self.account['username']!r}: {answer.get('content')}"
            )

    def count(self) -> dict[str, Any]:
        return self._ask("GET", "get_queuelen/", params={"queue_name": self.name})

    def take(self) -> dict[str, Any]:
        """The next job, which is then this account's until its lease ends."""
        answer = self._ask("GET", "get_submission/", params={"queue_name": self.name})
        if answer["return_code"] != 0:
            return answer
        job = json.loads(answer["content"])
        header = json.loads(job["xqueue_header"])
        return {
            "id": header["submission_id"],
            "key": header["submission_key"],
            "body": json.loads(job["xqueue_body"]),
            "files": {
                name: urljoin(self.url, place) for name, place in json.loads(job["xqueue_files"] or "{}").items()
            },
            "return_code": 0,
        }

    def grade(self, submission_id: int, key: str, **reply: Any) -> dict[str, Any]:
        header = json.dumps({"submission_id": submission_id, "submission_key": key})
        return self._ask("POST", "put_result/", data={"xqueue_header": header, "xqueue_body": json.dumps(reply)})

    def _ask(self, method: str, place: str, **what: Any) -> dict[str, Any]:
        try:
            answer = self.session.request(method, self.url + place, timeout=PATIENCE, allow_redirects=False, **what)
        except requests.RequestException as error:
            raise exceptions.TutorError(f"{self.url} cannot be reached: {error}") from error
        try:
            found = answer.json()
        except requests.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            raise exceptions.TutorError(f"{self.url}{place} answered {answer.status_code}, and nothing of a queue's.")
        return found


def queue_group(name: str) -> click.Group:
    """The commands, under one of their two names."""

    @click.group(name=name, help="Look at the graders' queue, and grade by hand.")
    def group() -> None:
        pass

    group.add_command(submissions)
    return group


@click.group(help="Count, show and grade submissions.")
@click.option("-q", "--queue", default="openedx", show_default=True, help="The queue's name.")
@click.option(
    "-u",
    "--url",
    envvar="TUTOR_XQUEUE_URL",
    help="Where the queue is, if not where the settings say; also TUTOR_XQUEUE_URL.",
)
@click.pass_context
def submissions(context: click.Context, queue: str, url: str | None) -> None:
    tutor: Context = context.obj
    config = tutor_config.load(tutor.root)
    # Logged in by each command: click comes here for its --help, too.
    context.obj = Queue(url or _address(config), queue, *_account(config))


def _address(config: dict[str, Any]) -> str:
    host = config["XQUEUE_HOST" if config["GRADEQUEUE_MODE"] == "service" else "LMS_HOST"]
    return f"{'https' if config['ENABLE_HTTPS'] else 'http'}://{host}"


def _account(config: dict[str, Any]) -> tuple[str, str]:
    return str(config["GRADEQUEUE_GRADER_USERNAME"]), str(config["GRADEQUEUE_GRADER_PASSWORD"])


def _show(answer: dict[str, Any]) -> None:
    click.echo(json.dumps(answer, indent=2))


@submissions.command(help="How many submissions wait.")
@click.pass_obj
def count(queue: Queue) -> None:
    queue.login()
    _show(queue.count())


@submissions.command(help="Take the next submission and show it: until its lease ends, no other grader gets it.")
@click.pass_obj
def show(queue: Queue) -> None:
    queue.login()
    _show(queue.take())


@submissions.command(help="Grade a submission that was shown: its id and key, a share of the points from 0 to 1.")
@click.argument("submission_id", type=click.INT)
@click.argument("submission_key")
@click.argument("grade", type=click.FLOAT)
@click.argument("correct", type=click.BOOL)
@click.argument("message")
@click.pass_obj
def grade(queue: Queue, submission_id: int, submission_key: str, grade: float, correct: bool, message: str) -> None:
    queue.login()
    _show(queue.grade(submission_id, submission_key, correct=correct, score=grade, msg=message))


@click.command(name="gradequeue-import-xqueue", help="Take over what waits in the old XQueue's database.")
@click.option("--dry-run", is_flag=True, help="Only say what would become of each submission.")
@click.option("--files", metavar="URL", help="Where the old service's files are served from.")
@click.option("--unacknowledged", is_flag=True, help="Also those whose result the platform never accepted.")
def import_xqueue(dry_run: bool, files: str | None, unacknowledged: bool) -> Iterable[tuple[str, str]]:
    words = ["--dry-run"] * dry_run + ["--unacknowledged"] * unacknowledged
    if files:
        words += ["--files", files]
    yield "gradequeue", f'{{% include "gradequeue/tasks/import-xqueue.sh" %}} {shlex.join(words)}\n'
