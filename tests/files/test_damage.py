"""Whatever happens to a stored file is named, and its job is not handed out as if it were whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, Storage, default_storage
from django.test import override_settings

from submissions import api, files, queue
from submissions.files import digests
from submissions.models import SubmissionFile
from submissions.upkeep import audit, doctor
from submissions.upkeep.removal import remove_files
from tests.make import make
from tests.server import Server


class Far(Storage):
    """Over a network: nobody may ask it before somebody said so."""

    asked: list[str] = []
    kept = InMemoryStorage()

    def _save(self, name: str, content: Any) -> str:
        return self.kept.save(name, content)

    def _open(self, name: str, mode: str = "rb") -> Any:
        self.asked.append(name)
        return self.kept.open(name, mode)

    def exists(self, name: str) -> bool:
        return self.kept.exists(name)

    def url(self, name: str | None) -> str:
        return f"https://bucket.example.org/{name}"


FAR = {"MEDIA": {"BACKEND": "tests.files.test_damage.Far"}}


def write(row: SubmissionFile, content: bytes) -> None:
    default_storage.delete(str(row.file.name))
    assert default_storage.save(str(row.file.name), ContentFile(content)) == row.file.name


@pytest.mark.django_db
def test_size_and_digest_are_of_what_was_handed_in() -> None:
    rows = make(files={"a.txt": "hello there", "é": b"", "t": "ä"}).files.order_by("id")
    assert [(row.size, row.sha256) for row in rows] == [
        (11, "12998c017066eb0d2a70b94e6ed3192985855ce390f321bbdb832022888bd251"),
        (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (2, "33e6d73fee82904c8d7afb78de1154d1e8dc2a0edb08120e63df5b9385c2d9cc"),
    ]


@pytest.mark.django_db
def test_a_row_without_a_digest_is_only_looked_for(capsys: pytest.CaptureFixture[str]) -> None:
    job = make(files={"a": b"1"})
    SubmissionFile.objects.update(size=None, sha256=None)
    write(SubmissionFile.objects.get(), b"other")
    assert list(audit.problems()) == []
    assert audit.file_counts() == {"without_digest": 1}
    assert list(api.get_files_for_grader(job)) == ["a"]
    default_storage.delete(str(SubmissionFile.objects.get().file.name))
    assert list(audit.problems()) == [audit.Problem(job.submission_id, "lost its file 'a'")]


@pytest.mark.django_db
def test_the_doctor_reads_no_file_of_unknown_size(monkeypatch: pytest.MonkeyPatch) -> None:
    make(files={"a": b"1"})
    SubmissionFile.objects.update(size=None, sha256=None)
    monkeypatch.setattr(digests, "digest", lambda _: pytest.fail("it was read"))
    assert doctor._files().sentence == "1 file looked at: as handed in."


@pytest.mark.django_db
def test_what_is_pruned_while_it_is_looked_at_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    make(files={"a": b"1"})
    lost = make(files={"b": b"2"})
    removed = SubmissionFile.objects.get(original_filename="a")

    def later(row: SubmissionFile) -> str | None:
        if row.pk == removed.pk:
            remove_files([int(row.external_grader_id or 0)])
        else:
            default_storage.delete(str(row.file.name))
        return files.find_damage(row)

    monkeypatch.setattr(audit, "find_damage", later)
    assert list(audit.problems()) == [audit.Problem(lost.submission_id, "lost its file 'b'")]


@pytest.mark.django_db
def test_a_storage_over_a_network_is_asked_only_where_somebody_says_so() -> None:
    with override_settings(EDX_SUBMISSIONS=FAR):
        job = make(files={"a": b"1", "b": b"2"})
        Far.kept.delete(str(SubmissionFile.objects.get(original_filename="b").file.name))
        Far.asked.clear()
        assert not files.is_near(SubmissionFile.objects.all()[0].file.storage)
        assert list(audit.problems()) == []
        assert audit.file_counts() == {"not_looked_at": 2}
        (claimed,) = queue.claim("q", grader="ada")
        assert len(api.get_files_for_grader(claimed)) == 2
        assert Far.asked == []
        assert [one.problem for one in audit.problems(look_at_files=True)] == ["lost its file 'b'"]
        assert audit.file_counts(look_at_files=True) == {"without_digest": 0}
    assert job.submission_id == claimed.submission_id


def gone(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def changed(path: Path) -> None:
    path.write_bytes(b"hello THERE")


def longer(path: Path) -> None:
    path.write_bytes(b"hello there!")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: list[tuple[Callable[[Path], None], str]] = [
    (gone, "lost its file 'a.txt'"),
    (emptied, "has a file 'a.txt' of 0 bytes that was handed in with 11"),
    (changed, "has a file 'a.txt' that is not what was handed in"),
    (longer, "has a file 'a.txt' of 12 bytes that was handed in with 11"),
    (a_folder, "has a file 'a.txt' that cannot be read"),
]


def test_each_damage_is_named_and_no_such_job_is_handed_out(fresh_database: str, tmp_path: Path) -> None:
    running = Server(fresh_database, tmp_path).start(workers=1)
    try:
        password = running.grader("g", "q")
        whole = {"queue_name": "q", "files": {"a.txt": "hello there"}}
        ids = running.enqueue(*(whole | {"student_id": f"s{number}"} for number in range(6)))
        assert running.run("audit").stdout == "6 jobs: 6 pending. 0 problems.\n"
        damaged = dict(zip(ids[:5], DAMAGES, strict=True))
        for submission_id, (damage, _) in damaged.items():
            damage(path_of(running, submission_id))

        told = running.run("audit", "--json", check=False)
        *problems, counts = map(json.loads, told.stdout.splitlines())
        assert told.returncode == 1
        assert [one["submission_id"] for one in problems] == ids[:5]
        for one in problems:
            assert one["problem"].startswith(damaged[one["submission_id"]][1])
        assert counts == {"jobs": 6, "states": {"pending": 6}, "problems": 5}

        found = running.rows("doctor", "--json", check=False)
        (said,) = (row for row in found if row["check"] == "files")
        assert not said["fine"]
        assert said["sentence"].startswith(f"5 files of 6 damaged: submission {ids[4]} has a file 'a.txt' that cannot")

        http = requests.Session()
        http.post(f"{running.url}/xqueue/login/", data={"username": "g", "password": password})
        polls = [http.get(f"{running.url}/xqueue/get_submission/?queue_name=q", timeout=5) for _ in range(3)]
        assert [poll.status_code for poll in polls] == [200, 200, 200]
        (work,) = (json.loads(poll.json()["content"]) for poll in polls if poll.json()["return_code"] == 0)
        assert json.loads(work["xqueue_header"])["submission_id"] == ids[5]
        (address,) = json.loads(work["xqueue_files"]).values()
        assert requests.get(address, timeout=5).content == b"hello there"
        for row in running.show(*ids[:5]):
            assert (row["status"], row["num_failures"]) == ("retry", 1)
            assert row["last_error"].startswith(
                f"The job could not be handed out: The submission {damaged[row['submission_id']][1]}"
            )
    finally:
        running.stop()


def path_of(running: Server, submission_id: int) -> Path:
    code = (
        "from submissions.models import SubmissionFile as F; "
        f"print(F.objects.get(external_grader__submission_id={submission_id}).file.path)"
    )
    return Path(running.run("shell", "-c", code).stdout.strip().splitlines()[-1])
