"""The view that hands a file out: the right bytes to who brings our signature, and nothing to anybody else."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client, override_settings
from pytest_django import Settings

from submissions import files
from submissions.models import SubmissionFile
from tests.files.conftest import Submit, address_of

pytestmark = pytest.mark.django_db

REFUSED = {"return_code": 1, "content": "The address of this file is not valid, or no longer"}
GONE = {"return_code": 1, "content": "The file is gone"}


@dataclass(frozen=True)
class Fetched:
    status: int
    headers: Mapping[str, str]
    body: bytes
    streamed: bool

    def told(self) -> tuple[int, Any]:
        """The status, and what the JSON says."""
        assert self.headers["Content-Type"] == "application/json"
        return self.status, json.loads(self.body)


def fetch(address: str, method: str = "GET") -> Fetched:
    """As a plain downloader does: no session, no cookie, no header."""
    parts = urlsplit(address)
    response = Client(enforce_csrf_checks=True).generic(method, f"{parts.path}?{parts.query}")
    assert not response.cookies
    return Fetched(response.status_code, response.headers, b"".join(response), response.streaming)


def signed_until(row: SubmissionFile, expires: int) -> str:
    query = urlencode({"expires": expires, "signature": files.signature(row.pk, expires)})
    return f"/xqueue/files/{row.pk}/program.py?{query}"


# To whom it belongs. ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"print('h\xc3\xa9')\r\n",
        bytes(range(256)),
        b"<script>alert(1)</script>",
        b"0123456789abcdef" * 70_000,
    ],
    ids=["nothing", "NUL", "text", "every byte", "HTML", "a megabyte"],
)
def test_the_bytes_are_those_that_were_submitted(folder: Path, submit: Submit, content: bytes) -> None:
    response = fetch(address_of(submit("program.py", content)))
    assert response.status == 200
    assert response.streamed
    assert int(response.headers["Content-Length"]) == len(content)
    assert response.body == content


def test_they_come_from_any_storage(submit: Submit) -> None:
    response = fetch(address_of(submit("program.py", b"from memory")))
    assert (response.status, response.headers["Content-Length"], response.body) == (200, "11", b"from memory")


def test_no_browser_runs_them_where_an_operator_is_logged_in(folder: Path, submit: Submit) -> None:
    response = fetch(address_of(submit("page.html", b"<script>")))
    assert {
        name: response.headers[name] for name in ("Content-Type", "X-Content-Type-Options", "Content-Security-Policy")
    } == {
        "Content-Type": "application/octet-stream",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    assert response.headers["Cache-Control"] == "private, no-store"
    assert response.headers["Content-Disposition"] == 'attachment; filename="page.html"'


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("program.py", 'filename="program.py"'),
        ("two words.py", 'filename="two words.py"'),
        ('say "hi".py', 'filename="say \\"hi\\".py"'),
        ("it's; x=1.py", 'filename="it\'s; x=1.py"'),
        ("?a#b&c=%41.py", 'filename="?a#b&c=%41.py"'),
        ("größe.py", "filename*=utf-8''gr%C3%B6%C3%9Fe.py"),
        ("😀.py", "filename*=utf-8''%F0%9F%98%80.py"),
        ("../../etc/passwd", 'filename="passwd"'),
        ("dir/program.py", 'filename="program.py"'),
        ("C:\\dir\\program.py", 'filename="program.py"'),
        ("dir/..", 'filename="file"'),
        (".", 'filename="file"'),
        ("...", 'filename="file"'),
        ("/", 'filename="file"'),
        ("   ", 'filename="file"'),
        ("\n", 'filename="file"'),
        ("\x01\x7f", 'filename="file"'),
        ("a\r\nSet-Cookie: x=1", 'filename="aSet-Cookie: x=1"'),
        ("tab\there", 'filename="tabhere"'),
        ("\u202egpj.exe", 'filename="gpj.exe"'),
        (".htaccess", 'filename=".htaccess"'),
        ("x" * 255, f'filename="{"x" * 255}"'),
        ("é" * 255, f"filename*=utf-8''{'%C3%A9' * 255}"),
    ],
)
def test_any_name_is_told_and_is_never_a_path(folder: Path, submit: Submit, name: str, told: str) -> None:
    address = address_of(submit(name, b"content"))
    assert ".." not in address
    response = fetch(address)
    assert (response.status, response.body) == (200, b"content")
    assert response.headers["Content-Disposition"] == f"attachment; {told}"


def test_head_tells_the_same_without_the_bytes(folder: Path, submit: Submit) -> None:
    address = address_of(submit("program.py", b"print(1)\n"))
    response = fetch(address, "HEAD")
    assert (response.status, response.headers["Content-Length"], response.body) == (200, "9", b"")
    assert response.headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_else_can_be_done_to_it(folder: Path, submit: Submit, method: str) -> None:
    row = submit("program.py", b"secret")
    response = fetch(address_of(row), method)
    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")
    assert b"secret" not in response.body
    assert (folder / "q" / str(row.uuid)).read_bytes() == b"secret"


def test_the_name_in_the_address_decides_nothing(folder: Path, submit: Submit) -> None:
    address = address_of(submit("program.py", b"print(1)\n")).replace("/program.py?", "/other.html?")
    response = fetch(address)
    assert response.headers["Content-Disposition"] == 'attachment; filename="program.py"'
    assert response.body == b"print(1)\n"


def test_it_outlives_its_job(folder: Path, submit: Submit) -> None:
    row = submit("program.py", b"print(1)\n")
    address = address_of(row)
    assert row.external_grader is not None
    row.external_grader.delete()
    assert fetch(address).body == b"print(1)\n"


# To nobody else. ----------------------------------------------------------------------------------------------------


def assert_refused(response: Fetched) -> None:
    assert response.told() == (403, REFUSED)


def test_without_a_signature_it_is_refused(folder: Path, submit: Submit) -> None:
    assert_refused(fetch(address_of(submit()).partition("?")[0]))


def test_with_the_signature_of_another_file_it_is_refused(folder: Path, submit: Submit) -> None:
    mine, other = submit(), submit()
    query = urlsplit(address_of(other)).query
    assert_refused(fetch(f"/xqueue/files/{mine.pk}/program.py?{query}"))


def test_with_a_longer_life_than_was_signed_it_is_refused(folder: Path, submit: Submit) -> None:
    row = submit()
    said = {name: values[0] for name, values in parse_qs(urlsplit(address_of(row)).query).items()}
    said["expires"] = str(int(said["expires"]) + 1)
    assert_refused(fetch(f"/xqueue/files/{row.pk}/program.py?{urlencode(said)}"))


def test_past_its_time_it_is_refused(folder: Path, submit: Submit) -> None:
    row = submit()
    assert fetch(signed_until(row, int(time.time()) + 60)).status == 200
    assert_refused(fetch(signed_until(row, int(time.time()))))
    assert_refused(fetch(signed_until(row, int(time.time()) - 3600)))
    assert_refused(fetch(signed_until(row, 0)))


def test_under_another_secret_key_it_is_refused(folder: Path, submit: Submit) -> None:
    address = address_of(submit())
    with override_settings(SECRET_KEY="another one"):
        assert_refused(fetch(address))


@pytest.mark.parametrize(
    "expires",
    [
        "",
        "abc",
        "-1",
        "1e12",
        "0x7fffffff",
        "99999999999.5",
        " 9999999999",
        "٩٩٩٩٩٩٩٩٩٩",
        "9" * 5000,
        "9999999999\0",
        "nan",
    ],
)
def test_a_time_that_is_none_is_refused(folder: Path, submit: Submit, expires: str) -> None:
    row = submit()
    query = urlencode({"expires": expires, "signature": files.signature(row.pk, 9_999_999_999)})
    assert_refused(fetch(f"/xqueue/files/{row.pk}/program.py?{query}"))


@pytest.mark.parametrize("wrong", ["", "x", "{}x", "x{}", "{}:", "é", "\0", "{}\0", "' OR 1=1 --", "x" * 100_000])
def test_a_signature_that_is_none_is_refused(folder: Path, submit: Submit, wrong: str) -> None:
    row = submit()
    good = files.signature(row.pk, 9_999_999_999)
    query = urlencode({"expires": 9_999_999_999, "signature": wrong.format(good)})
    assert_refused(fetch(f"/xqueue/files/{row.pk}/program.py?{query}"))
    assert_refused(fetch(f"/xqueue/files/{row.pk}/program.py?{urlencode({'expires': 9_999_999_999})}&signature=%ff"))


@pytest.mark.parametrize("number", [0, 2**31, 2**63, 2**64, 10**100])
def test_a_number_that_no_file_has_is_refused(folder: Path, submit: Submit, number: int) -> None:
    query = urlsplit(address_of(submit())).query
    assert_refused(fetch(f"/xqueue/files/{number}/program.py?{query}"))


@pytest.mark.parametrize(
    "path",
    ["-1/a", "99", "99/", "99/a/b", "99/..", "a/a", "99%00/a", "%2e%2e/a", "9" * 5000 + "/a", "1.0/a"],
)
def test_what_is_no_address_of_a_file_is_not_found(folder: Path, submit: Submit, path: str) -> None:
    query = urlsplit(address_of(submit())).query
    response = fetch(f"/xqueue/files/{path}?{query}")
    status, told = response.told()
    assert (status, told["return_code"]) in [(403, 1), (404, 1)]


# With the signature, and nothing to show. ---------------------------------------------------------------------------


def test_a_file_that_the_storage_has_lost_is_told(folder: Path, submit: Submit) -> None:
    row = submit()
    address = address_of(row)
    (folder / "q" / str(row.uuid)).unlink()
    response = fetch(address)
    assert response.told() == (404, GONE)


@pytest.mark.parametrize("kept_as", ["", "q", "q/missing", "nowhere/at/all"])
def test_a_row_that_names_no_file_is_told(folder: Path, submit: Submit, kept_as: str) -> None:
    row = submit()
    address = address_of(row)
    SubmissionFile.objects.filter(pk=row.pk).update(file=kept_as)
    response = fetch(address)
    assert response.told() == (404, GONE)


def test_a_row_that_leads_out_of_the_storage_shows_nothing(folder: Path, submit: Submit) -> None:
    row = submit()
    address = address_of(row)
    (folder.parent / "secret").write_text("not for you")
    SubmissionFile.objects.filter(pk=row.pk).update(file="../secret")
    response = fetch(address)
    assert response.status == 400
    assert b"not for you" not in response.body


def test_a_row_that_was_deleted_is_told(folder: Path, submit: Submit) -> None:
    row = submit()
    address = address_of(row)
    row.delete()
    response = fetch(address)
    assert response.told() == (404, GONE)


def test_an_address_outlives_a_change_of_the_secret_key_where_the_old_one_is_still_known(settings: Settings) -> None:
    until = int(time.time()) + 60
    settings.SECRET_KEY = "old"
    signed = files.signature(1, until)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["old"]
    assert files.is_signed(1, str(until), signed)
    assert not files.is_signed(2, str(until), signed)
    settings.SECRET_KEY_FALLBACKS = []
    assert not files.is_signed(1, str(until), signed)
