"""Where a grader fetches files from. What stands at those addresses is told in the tests of the file view."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from submissions import api
from submissions.errors import SubmissionRequestError
from submissions.models import SubmissionFile
from tests.make import make

pytestmark = pytest.mark.django_db


def test_a_job_without_files_has_none(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    job = make()
    with django_assert_num_queries(1):
        assert api.get_files_for_grader(job) == {}


def test_every_file_has_an_address_under_a_name_that_leads_nowhere_else(settings: Settings) -> None:
    settings.SUBMISSIONS_BASE_URL = "https://queue.example.org"
    job = make(files={"hello.py": b"1", 'Ünï "☃".py': b"2", "../../etc/passwd": b"3"})
    addresses = api.get_files_for_grader(job)
    assert list(addresses) == ["hello.py", 'Ünï "☃".py', "etc/passwd"]
    first, second, third = SubmissionFile.objects.order_by("id").values_list("pk", flat=True)
    assert [unquote(address.partition("?")[0]) for address in addresses.values()] == [
        f"https://queue.example.org/xqueue/files/{first}/hello.py",
        f'https://queue.example.org/xqueue/files/{second}/Ünï "☃".py',
        f"https://queue.example.org/xqueue/files/{third}/passwd",
    ]


def test_a_file_that_the_platform_only_linked_has_the_platforms_own_address() -> None:
    job = make(files={"../b.py": "http://files.example.org/b", "c.py": "HTTPS://files.example.org/ü"})
    assert api.get_files_for_grader(job) == {
        "b.py": "http://files.example.org/b",
        "c.py": "HTTPS://files.example.org/ü",
    }
    assert not SubmissionFile.objects.exists()


@pytest.mark.parametrize("name", ["", "a\0", "a" * 256])
def test_a_link_needs_a_name_as_a_file_does(name: str) -> None:
    with pytest.raises(SubmissionRequestError, match="A file's name must be a text of 1 to 255 characters"):
        make(files={name: "https://files.example.org/b"})


def test_links_count_as_files(settings: Settings) -> None:
    settings.SUBMISSIONS_FILES_MAX_COUNT = 2
    with pytest.raises(SubmissionRequestError, match="A submission can have 2 files, not 3"):
        make(files={"a": "https://a.example/", "b": "https://b.example/", "c": b""})


def test_a_client_without_a_session_gets_the_bytes(settings: Settings) -> None:
    settings.SUBMISSIONS_BASE_URL = "http://testserver"
    files = {"a.bin": bytes(range(256)), "ü.py": b"print(1)"}
    for name, address in api.get_files_for_grader(make(files=files)).items():
        parts = urlsplit(address)
        response: Any = Client().get(f"{parts.path}?{parts.query}")
        assert response.status_code == 200
        assert response.getvalue() == files[name]


def test_the_mount_can_be_given() -> None:
    job = make(files={"a.py": b"1"})
    (address,) = api.get_files_for_grader(job, mount="https://lms.example.org/xqueue/").values()
    assert address.startswith(f"https://lms.example.org/xqueue/files/{job.files.get().pk}/a.py?")


def test_an_address_is_good_for_the_lease_and_an_hour_more(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.9)
    (address,) = api.get_files_for_grader(make(files={"a.py": b"1"}), mount="https://h/").values()
    assert "?expires=1700003900&" in address


class Presigning:
    """A storage that is neither Django's folder nor its memory, as S3's is."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def generate_filename(self, name: str) -> str:
        return name

    def save(self, name: str, content: Any, max_length: int | None = None) -> str:
        self.kept[name] = content.read()
        return name

    def delete(self, name: str) -> None:
        del self.kept[name]

    def url(self, name: str) -> str:
        return f"https://bucket.example.org/{name}?X-Amz-Signature=abc"


def test_a_storage_that_signs_addresses_does_so(settings: Settings) -> None:
    settings.EDX_SUBMISSIONS = {"MEDIA": {"BACKEND": f"{__name__}.Presigning"}}
    job = make(files={"a.py": b"1"})
    name = job.files.get().file.name
    assert api.get_files_for_grader(job) == {"a.py": f"https://bucket.example.org/{name}?X-Amz-Signature=abc"}
