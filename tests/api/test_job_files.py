"""Files are stored with their job or not at all: whatever they come as, and whatever happens to the transaction."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.files.uploadedfile import InMemoryUploadedFile, SimpleUploadedFile, UploadedFile
from django.db import OperationalError, transaction

from submissions import api
from submissions.errors import FileProcessingError, InvalidFileTypeError
from submissions.models import ExternalGraderDetail, SubmissionFile
from tests.api.conftest import Stored, rows
from tests.make import make

pytestmark = pytest.mark.django_db

in_real_transactions = pytest.mark.django_db(transaction=True)


def contents(job: ExternalGraderDetail) -> dict[str, bytes]:
    return {row.original_filename: read(row) for row in job.files.order_by("id")}


def read(row: SubmissionFile) -> bytes:
    with row.file.storage.open(str(row.file.name)) as file:
        return bytes(file.read())


# What a file can be. ------------------------------------------------------------------------------------------------

BINARY = bytes(range(256))


class Stream:
    """Can be read once, and not rewound."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self) -> bytes:
        content, self.content = self.content, b""
        return content


class Pipe(io.BytesIO):
    """The same, and it says so."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: object) -> NoReturn:
        raise io.UnsupportedOperation


KINDS: dict[str, tuple[Any, bytes]] = {
    "bytes": (lambda: BINARY, BINARY),
    "bytearray": (lambda: bytearray(BINARY), BINARY),
    "memoryview": (lambda: memoryview(BINARY), BINARY),
    "no bytes": (lambda: b"", b""),
    "text": (lambda: "é☃\r\n\0", "é☃\r\n\0".encode()),
    "BytesIO": (lambda: io.BytesIO(BINARY), BINARY),
    "StringIO": (lambda: io.StringIO("é☃"), "é☃".encode()),
    "a stream": (lambda: Stream(BINARY), BINARY),
    "ContentFile": (lambda: ContentFile(BINARY), BINARY),
    "File": (lambda: File(io.BytesIO(BINARY)), BINARY),
    "SimpleUploadedFile": (lambda: SimpleUploadedFile("its own name.txt", BINARY), BINARY),
    "InMemoryUploadedFile": (
        lambda: InMemoryUploadedFile(io.BytesIO(BINARY), None, "n", "text/plain", 256, None),
        BINARY,
    ),
    "an uploaded stream": (lambda: UploadedFile(Pipe(BINARY), "n", size=256), BINARY),
    "a wrapped uploaded stream": (lambda: SimpleNamespace(file=UploadedFile(Pipe(BINARY), "n", size=256)), BINARY),
    "a wrapped Django file": (lambda: SimpleNamespace(file=ContentFile(BINARY, "its own name.txt")), BINARY),
    "a wrapped file": (lambda: SimpleNamespace(file=io.BytesIO(BINARY)), BINARY),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_any_kind_is_kept_byte_for_byte(kind: str, stored: Stored) -> None:
    given, expected = KINDS[kind]
    job = make(files={"hello.bin": given()})
    assert contents(job) == {"hello.bin": expected}
    assert stored() == [expected]


def test_a_file_that_was_looked_into_is_kept_from_its_beginning(stored: Stored) -> None:
    looked_into = [io.BytesIO(b"abc"), File(io.BytesIO(b"abc")), SimpleUploadedFile("n", b"abc")]
    for file in looked_into:
        file.read()
    make(files={str(number): file for number, file in enumerate(looked_into)})
    assert stored() == [b"abc", b"abc", b"abc"]


def test_a_temporary_file_is_kept_though_it_was_written_to_its_end(stored: Stored, tmp_path: Path) -> None:
    with (tmp_path / "written").open("w+b") as file:
        file.write(BINARY)
        make(files={"a.bin": file})
    assert stored() == [BINARY]


def test_files_keep_their_names_and_their_order(stored: Stored) -> None:
    files = {
        "b.py": b"1",
        "a.py": b"2",
        'Ünï "q" ☃.py': b"3",
        "../../etc/passwd": b"4",
        "x" * 255: b"5",
        "a/b.py": b"6",
    }
    job = make(files=files)
    assert contents(job) == files
    assert list(contents(job)) == ["b.py", "a.py", 'Ünï "q" ☃.py', "../../etc/passwd", "x" * 255, "a/b.py"]
    for row in job.files.all():
        assert row.file.name == f"q/{row.uuid}"
        assert row.xqueue_url == f"/q/{row.uuid}"


@pytest.mark.parametrize("files", [None, {}])
def test_no_files_are_fine(files: Any, stored: Stored) -> None:
    assert contents(make(files=files)) == {}
    assert stored() == []


# What it cannot be. -------------------------------------------------------------------------------------------------


class Unreadable:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def read(self) -> NoReturn:
        raise self.error


def closed() -> io.BytesIO:
    file = io.BytesIO(b"gone")
    file.close()
    return file


BAD_FILES: dict[str, tuple[Any, type[Exception]]] = {
    "a number": (5, InvalidFileTypeError),
    "None": (None, InvalidFileTypeError),
    "a list": ([b"x"], InvalidFileTypeError),
    "an object": (object(), InvalidFileTypeError),
    "a wrapped number": (SimpleNamespace(file=5), InvalidFileTypeError),
    "a file of numbers": (SimpleNamespace(read=lambda: 5), InvalidFileTypeError),
    "a file of nothing": (SimpleNamespace(read=lambda: None), InvalidFileTypeError),
    "a broken disk": (Unreadable(OSError("the disk is gone")), FileProcessingError),
    "the wrong encoding": (Unreadable(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no")), FileProcessingError),
    "a closed file": (closed(), FileProcessingError),
    "a Django file on a broken disk": (File(Unreadable(OSError("gone")), "n"), FileProcessingError),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_second_file_that_is_no_good_leaves_no_row_and_no_file(kind: str, stored: Stored) -> None:
    bad, error = BAD_FILES[kind]
    with pytest.raises(error):
        make(files={"good.py": b"print(1)", "bad.py": bad})
    assert (rows(), stored()) == ({}, [])


@pytest.mark.parametrize(
    "name", ["", "x" * 256, "NUL\0.py", "\ud800.py", None, 5, b"bytes.py"], ids=lambda n: ascii(n)[:15]
)
def test_a_bad_name_leaves_no_row_and_no_file(name: Any, stored: Stored) -> None:
    with pytest.raises(api.SubmissionRequestError) as refusal:
        make(files={"good.py": b"print(1)", name: b"x"})
    assert list(refusal.value.field_errors) == ["files"]
    assert (rows(), stored()) == ({}, [])


@pytest.mark.parametrize("files", [[b"x"], "hello.py", b"x", 5, ["a.py"]], ids=repr)
def test_files_that_are_no_mapping_leave_nothing(files: Any) -> None:
    with pytest.raises(api.SubmissionRequestError) as refusal:
        make(files=files)
    assert list(refusal.value.field_errors) == ["files"]
    assert rows() == {}


class FullAfterOne(FileSystemStorage):
    """A disk with room for one folder, and then for half a file."""

    def _save(self, name: str, content: Any) -> str:
        full = bool(self.listdir(".")[0])
        name = super()._save(name, content)  # type: ignore[misc]
        if full:
            raise OSError(28, "No space left on device")
        return name


def test_a_storage_that_refuses_the_second_file_is_left_without_the_first(stored: Stored, settings: Any) -> None:
    options = settings.STORAGES["default"]["OPTIONS"]
    FileSystemStorage(**options).save("there before", ContentFile(b"there before"))
    full = {"BACKEND": f"{__name__}.FullAfterOne", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": full}
    with pytest.raises(FileProcessingError, match=r"'b.py' could not be stored: .*No space left"):
        make(files={"a.py": b"1", "b.py": b"2"})
    assert (rows(), stored()) == ({}, [b"there before"])


# Transactions. ------------------------------------------------------------------------------------------------------


class Stop(Exception):
    pass


def test_a_refused_job_leaves_no_file(stored: Stored) -> None:
    with pytest.raises(api.SubmissionRequestError):
        make(files={"a.py": b"1"}, points_possible=-1)
    assert (rows(), stored()) == ({}, [])


@in_real_transactions
def test_a_file_of_a_callers_transaction_goes_with_it(stored: Stored) -> None:
    with transaction.atomic():
        make(files={"a.py": b"1", "b.py": b"2"})
        assert stored() == [b"1", b"2"]
        transaction.set_rollback(True)
    assert (rows(), stored()) == ({}, [])


@in_real_transactions
def test_a_file_of_an_inner_transaction_goes_with_that_one_alone(stored: Stored) -> None:
    with transaction.atomic():
        make(files={"kept.py": b"kept"})
        with transaction.atomic():
            make(files={"undone.py": b"undone"})
            transaction.set_rollback(True)
        assert stored() == [b"kept"]
    assert stored() == [b"kept"]
    assert [row.original_filename for row in SubmissionFile.objects.all()] == ["kept.py"]


@in_real_transactions
def test_a_file_of_a_finished_inner_transaction_goes_with_the_outer_one(stored: Stored) -> None:
    with transaction.atomic():
        with transaction.atomic():
            make(files={"a.py": b"1"})
        transaction.set_rollback(True)
    assert (rows(), stored()) == ({}, [])


@in_real_transactions
def test_a_committed_file_stays(stored: Stored) -> None:
    with transaction.atomic():
        job = make(files={"a.py": b"1"})
    assert contents(job) == {"a.py": b"1"}
    assert stored() == [b"1"]


@in_real_transactions
def test_a_committed_file_stays_when_somebody_elses_callback_raises(stored: Stored) -> None:
    def broken() -> NoReturn:
        raise Stop

    def job_in_a_transaction() -> None:
        with transaction.atomic():
            transaction.on_commit(broken)  # Django drops every callback that would have come after this one
            make(files={"a.py": b"1"})

    with pytest.raises(Stop):
        job_in_a_transaction()
    assert stored() == [b"1"]
    assert [row.original_filename for row in SubmissionFile.objects.all()] == ["a.py"]


@in_real_transactions
def test_a_job_that_meets_a_deadlock_is_made_again_with_its_whole_files(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = SubmissionFile.save
    met: list[SubmissionFile] = []

    def deadlock_once(self: SubmissionFile, **options: Any) -> None:
        if not met:
            met.append(self)
            raise OperationalError(1213, "Deadlock found when trying to get lock")
        save(self, **options)

    monkeypatch.setattr(SubmissionFile, "save", deadlock_once)
    files = {"a": Stream(b"once"), "b": io.BytesIO(b"bytes"), "c": ContentFile(b"content")}
    job = make(files=files)
    assert contents(job) == {"a": b"once", "b": b"bytes", "c": b"content"}
    assert stored() == [b"bytes", b"content", b"once"]
    assert rows() == {"items": 1, "submissions": 1, "jobs": 1, "files": 3, "queues": 1}


def test_the_default_storage_is_used_unless_a_platform_names_one(stored: Stored) -> None:
    job = make(files={"a.py": b"1"})
    with default_storage.open(str(job.files.get().file.name)) as file:
        assert file.read() == b"1"


def test_a_platforms_own_storage_is_used(stored: Stored, settings: Any, tmp_path: Any) -> None:
    media = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path / "own")}}
    settings.EDX_SUBMISSIONS = {"MEDIA": media}
    row = make(files={"a.py": b"1"}).files.get()
    assert (tmp_path / "own" / "q" / str(row.uuid)).read_bytes() == b"1"
    assert stored() == []
