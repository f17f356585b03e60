"""Where files are kept: in any Django storage, under names of our own."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import InMemoryStorage, default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings

from submissions.models import SubmissionFile
from tests.files.conftest import Submit

FILES_BELOW = "django.core.files.storage.FileSystemStorage"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_a_file_is_kept_under_its_queue_and_a_uuid(folder: Path, submit: Submit) -> None:
    row = submit("program.py", b"print(1)\n", queue="python")
    (kept,) = (path for path in folder.rglob("*") if path.is_file())
    assert kept == folder / "python" / str(row.uuid)
    assert kept.read_bytes() == b"print(1)\n"
    assert row.xqueue_url == f"/python/{row.uuid}"


def test_without_a_setting_the_default_storage_keeps_it(submit: Submit) -> None:
    row = submit("program.py", b"print(2)\n")
    assert isinstance(default_storage, InMemoryStorage)
    with default_storage.open(f"q/{row.uuid}") as kept:
        assert kept.read() == b"print(2)\n"


def test_the_options_of_the_setting_are_honoured(tmp_path: Path, submit: Submit) -> None:
    options = {"location": str(tmp_path / "elsewhere"), "file_permissions_mode": 0o640}
    with override_settings(EDX_SUBMISSIONS={"MEDIA": {"BACKEND": FILES_BELOW, "OPTIONS": options}}):
        row = submit()
    kept = tmp_path / "elsewhere" / "q" / str(row.uuid)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640


def test_a_setting_without_options_is_enough(submit: Submit) -> None:
    with override_settings(EDX_SUBMISSIONS={"MEDIA": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}):
        row = submit("a.py", b"here only")
        with SubmissionFile.objects.get(pk=row.pk).file.open() as kept:
            assert kept.read() == b"here only"
    assert not default_storage.exists(f"q/{row.uuid}")


def test_a_changed_setting_is_followed_at_once(folder: Path, tmp_path: Path, submit: Submit) -> None:
    first = submit()
    other = {"BACKEND": FILES_BELOW, "OPTIONS": {"location": str(tmp_path / "other")}}
    with override_settings(EDX_SUBMISSIONS={"MEDIA": other}):
        second = submit()
    third = submit()
    assert sorted(path.name for path in (folder / "q").iterdir()) == sorted([str(first.uuid), str(third.uuid)])
    assert [path.name for path in (tmp_path / "other" / "q").iterdir()] == [str(second.uuid)]


@pytest.mark.parametrize(
    ("queue", "kept_in"),
    [
        ("MITx-6.00x", "MITx-6.00x"),
        ("a/b", "a_b"),
        ("../../etc/cron.d", ".._.._etc_cron.d"),
        ("/etc", "_etc"),
        ("..", "_"),
        (".", "_"),
        ("C:\\temp", "C__temp"),
        ("two words", "two_words"),
        ("~root", "_root"),
        ("a;rm -rf *", "a_rm_-rf__"),
        ("курс", "курс"),
        ("題😀", "題_"),
        ("x" * 128, "x" * 128),
        ("題" * 128, "題" * 60),
    ],
)
def test_no_name_of_a_queue_leads_out_of_the_storage(folder: Path, submit: Submit, queue: str, kept_in: str) -> None:
    row = submit(queue=queue)
    assert [path.name for path in folder.iterdir()] == [kept_in]
    assert [path.name for path in (folder / kept_in).iterdir()] == [str(row.uuid)]


@pytest.mark.parametrize("name", ["../../../up.py", "/etc/passwd", "C:\\autoexec.bat", "..", "a\nb", "😀", "x" * 255])
def test_no_name_of_a_file_reaches_the_storage(folder: Path, submit: Submit, name: str) -> None:
    row = submit(name)
    (kept,) = (path for path in folder.parent.rglob("*") if path.is_file())
    assert kept.parent == folder / "q"
    assert UUID.fullmatch(kept.name)
    assert SubmissionFile.objects.get(pk=row.pk).original_filename == name


def test_two_files_of_one_job_do_not_meet(folder: Path, submit: Submit) -> None:
    submit(files={"a.py": b"first", "A.py": b"second", "dir/a.py": b"third"})
    assert sorted(path.read_bytes() for path in (folder / "q").iterdir()) == [b"first", b"second", b"third"]


class Remembering(InMemoryStorage):
    """A storage that, like S3's, would serve a file as what its uploader says it is."""

    types: list[Any] = []

    def _save(self, name: str, content: Any) -> str:
        self.types.append(getattr(content, "content_type", None))
        return str(super()._save(name, content))  # type: ignore[misc]


def test_the_type_that_an_uploader_claims_never_reaches_the_storage(submit: Submit) -> None:
    page = SimpleUploadedFile("page.html", b"<script>", content_type="text/html")
    with override_settings(EDX_SUBMISSIONS={"MEDIA": {"BACKEND": "tests.files.test_storage.Remembering"}}):
        row = submit("page.html", page)
        assert Remembering.types == [None]
        with row.file.open() as kept:
            assert kept.read() == b"<script>"
