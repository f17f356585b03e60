"""What a page costs on the wire: compressed, not sent twice, and not asked for where nothing can change."""

from __future__ import annotations

import gzip
import re

import pytest
from django.test import Client

from submissions import queue
from tests.dashboard.conftest import page_of
from tests.make import make
from tests.queue.jobs import claim_one, key_of, limit

pytestmark = pytest.mark.django_db

COMPRESSED = {"Accept-Encoding": "gzip"}
REFRESH = {"HX-Request": "true"}


def graded() -> int:
    make()
    job = claim_one()
    queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
    return job.submission_id


def test_a_page_is_compressed_and_what_programs_read_is_not(staff: Client) -> None:
    for number in range(20):
        make(f"q{number}")
    plain, packed = staff.get("/dashboard/"), staff.get("/dashboard/", headers=COMPRESSED)
    assert packed["Content-Encoding"] == "gzip"
    assert len(packed.content) < len(plain.content) / 4
    assert b"q17" in gzip.decompress(packed.content)
    for path in ("/xqueue/status/", "/xqueue/nowhere/", "/api/nowhere/"):
        assert "Content-Encoding" not in staff.get(path, headers=COMPRESSED)


def test_a_refresh_of_what_has_not_changed_is_not_sent_again(staff: Client) -> None:
    limit("calm")
    first = staff.get("/dashboard/", headers=REFRESH)
    assert first.status_code == 200
    again = {**REFRESH, "If-None-Match": first["ETag"]}
    for headers in (again, again | COMPRESSED, {**REFRESH, "If-None-Match": f"W/{first['ETag']}"}):
        known = staff.get("/dashboard/", headers=headers)
        assert (known.status_code, known.content, known["ETag"]) == (304, b"", first["ETag"])
    make("other")
    changed = staff.get("/dashboard/", headers=again)
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]


def test_a_finished_job_is_not_asked_for_again(staff: Client) -> None:
    address = f"/dashboard/submissions/{graded()}/"
    body = staff.get(address).content.decode()
    assert 'id="live" data-still' in body
    assert "Nothing here changes by itself any more." in body
    waiting = staff.get(f"/dashboard/submissions/{make().submission_id}/").content.decode()
    assert "data-still" not in waiting


def test_an_answer_is_sent_once(staff: Client) -> None:
    job = make()
    type(job.submission)._objects.filter(pk=job.submission_id).update(answer="x" * 100_000)
    address = f"/dashboard/submissions/{job.submission_id}/"
    assert len(staff.get(address).content) > 100_000
    assert len(staff.get(address, headers=REFRESH).content) < 20_000


def test_the_title_and_the_icon_carry_the_light(staff: Client) -> None:
    assert "<title>Queues · gradequeue</title>" in staff.get("/dashboard/").content.decode()
    make("stuck")
    for path, title in (("/dashboard/", "1 red · Queues"), (page_of("stuck"), "red · stuck")):
        body = staff.get(path).content.decode()
        assert f"<title>{title} · gradequeue</title>" in body
        assert len(re.findall(r"(?:href|data-icon)=.\S*/icon-red\.svg\?v=", body)) == 2


def test_a_static_file_is_kept_for_a_year_under_its_version_alone(staff: Client) -> None:
    body = staff.get("/dashboard/").content.decode()
    (address,) = re.findall(r'href="(/static/dashboard/dashboard\.css\?v=[0-9a-f]{12})"', body)
    kept = staff.get(address, headers=COMPRESSED)
    kept.close()
    assert kept["Cache-Control"] == "max-age=31536000, public, immutable"
    assert kept["Content-Encoding"] == "gzip"
    for other in ("/static/dashboard/dashboard.css", "/static/dashboard/dashboard.css?v=000000000000"):
        answer = staff.get(other)
        answer.close()
        assert "immutable" not in answer["Cache-Control"]
    assert staff.get("/static/nowhere.css?v=").status_code == 404
    assert staff.get("/static/../settings.py?v=1").status_code == 404
