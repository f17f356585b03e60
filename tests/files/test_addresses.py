"""What a grader is told: absolute, signed addresses that expire."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Group, User
from django.core.files.storage import Storage
from django.test import Client, override_settings

from submissions.models import GraderQueue, SubmissionFile
from tests.files.conftest import Submit, address_of

pytestmark = pytest.mark.django_db


def handed_out(**headers: Any) -> dict[str, str]:
    """The files of the next job of queue q, as get_submission gives them."""
    user = User.objects.create_user("ada", password="lovelace1815")
    user.groups.add(Group.objects.get_or_create(name="xqueue")[0])
    http = Client()
    http.force_login(user)
    got = http.get("/xqueue/get_submission/", {"queue_name": "q"}, **headers).json()
    assert got["return_code"] == 0, got
    files: dict[str, str] = json.loads(json.loads(got["content"])["xqueue_files"])
    return files


def test_they_lead_to_the_host_that_the_grader_asked(submit: Submit) -> None:
    row = submit("program.py")
    address = urlsplit(handed_out(headers={"host": "localhost:8000"})["program.py"])
    assert (address.scheme, address.netloc, address.path) == (
        "http",
        "localhost:8000",
        f"/xqueue/files/{row.pk}/program.py",
    )


@override_settings(SUBMISSIONS_BASE_URL="https://queue.example.org")
def test_they_lead_to_the_address_that_is_configured(submit: Submit) -> None:
    row = submit("program.py")
    assert handed_out()["program.py"].startswith(f"https://queue.example.org/xqueue/files/{row.pk}/program.py?")


def test_a_proxy_is_believed_only_where_the_settings_say_so(submit: Submit) -> None:
    submit("program.py")
    files = handed_out(headers={"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"})
    assert files["program.py"].startswith("http://testserver/")


@override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"))
def test_behind_a_proxy_that_speaks_https_they_do_too(submit: Submit) -> None:
    submit("program.py")
    files = handed_out(headers={"Host": "localhost", "X-Forwarded-Proto": "https"})
    assert files["program.py"].startswith("https://localhost/xqueue/")


def test_each_file_has_its_own(submit: Submit) -> None:
    submit(files={"a.py": b"a", "ä/b.py": b"b", "c d?.py": b"c"})
    files = handed_out()
    first, second, third = SubmissionFile.objects.order_by("pk")
    assert {name: urlsplit(address).path for name, address in files.items()} == {
        "a.py": f"/xqueue/files/{first.pk}/a.py",
        "ä/b.py": f"/xqueue/files/{second.pk}/b.py",
        "c d?.py": f"/xqueue/files/{third.pk}/c%20d%3F.py",
    }
    assert len({urlsplit(address).query for address in files.values()}) == 3


def test_they_are_good_for_the_lease_and_an_hour(submit: Submit) -> None:
    row = submit(queue="slow")
    GraderQueue.objects.filter(name="slow").update(lease_seconds=900)
    before = int(time.time())
    (expires,) = parse_qs(urlsplit(address_of(row)).query)["expires"]
    assert before + 4500 <= int(expires) <= time.time() + 4500


@override_settings(SUBMISSIONS_LEASE_SECONDS=20, SUBMISSIONS_FILE_URL_SECONDS=5)
def test_for_how_long_is_a_setting(submit: Submit) -> None:
    before = int(time.time())
    (expires,) = parse_qs(urlsplit(address_of(submit())).query)["expires"]
    assert before + 25 <= int(expires) <= time.time() + 25


# Storages that sign for themselves. ---------------------------------------------------------------------------------

S3 = {
    "bucket_name": "course-files",
    "access_key": "AKIDEXAMPLE",
    "secret_key": "no-such-secret",
    "region_name": "eu-west-1",
    "signature_version": "s3v4",
}


def kept_elsewhere(submit: Submit, backend: str, **options: Any) -> str:
    """The address of a file whose storage is `backend`; nothing is asked of a network."""
    row = submit("say hi.html")
    with override_settings(EDX_SUBMISSIONS={"MEDIA": {"BACKEND": backend, "OPTIONS": options}}):
        return address_of(SubmissionFile.objects.get(pk=row.pk))


def test_s3_signs_for_itself(submit: Submit) -> None:
    address = urlsplit(kept_elsewhere(submit, "storages.backends.s3.S3Storage", **S3))
    row = SubmissionFile.objects.get()
    said = parse_qs(address.query)
    assert (address.scheme, address.netloc, address.path) == (
        "https",
        "course-files.s3.amazonaws.com",
        f"/q/{row.uuid}",
    )
    assert said["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert said["X-Amz-Credential"][0].split("/")[::2] == ["AKIDEXAMPLE", "eu-west-1", "aws4_request"]
    assert said["X-Amz-Expires"] == ["3900"]  # the lease, and an hour
    assert len(said["X-Amz-Signature"][0]) == 64
    assert "no-such-secret" not in address.geturl()


@override_settings(SUBMISSIONS_LEASE_SECONDS=30 * 24 * 3600)
def test_s3_is_not_asked_for_more_than_it_takes(submit: Submit) -> None:
    address = urlsplit(kept_elsewhere(submit, "storages.backends.s3.S3Storage", **S3))
    assert parse_qs(address.query)["X-Amz-Expires"] == ["604800"]


class SignsItself(Storage):
    """A storage with addresses of its own, that takes no time to live."""

    def url(self, name: str | None) -> str:
        return f"https://store.example/{name}?token=abc"


class Relative(Storage):
    """A storage whose addresses need a host."""

    def url(self, name: str | None) -> str:
        return f"/media/{name}"


class Silent(Storage):
    """A storage that has no addresses at all."""


def test_any_storage_that_signs_for_itself_does_so(submit: Submit) -> None:
    address = kept_elsewhere(submit, "tests.files.test_addresses.SignsItself")
    assert address == f"https://store.example/q/{SubmissionFile.objects.get().uuid}?token=abc"


@pytest.mark.parametrize("backend", ["Relative", "Silent"])
def test_a_storage_without_absolute_addresses_is_served_by_us(submit: Submit, backend: str) -> None:
    address = kept_elsewhere(submit, f"tests.files.test_addresses.{backend}")
    row = SubmissionFile.objects.get()
    assert address.startswith(f"http://testserver/xqueue/files/{row.pk}/say%20hi.html?expires=")
