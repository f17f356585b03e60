"""The pages of graders: what they did, and what an operator does to their accounts."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db.models import F
from django.test import Client

from gradequeue.dashboard.reads import graders, queue_page
from submissions import queue
from submissions.accounts import tokens
from submissions.conf import conf
from submissions.models import ClaimEnd, DrainedGrader, GraderQueue, OperatorMove, Scope, Token
from tests.dashboard.conftest import account, browser_of
from tests.dashboard.test_pages import text
from tests.make import make
from tests.queue.jobs import claim_one, key_of, later

pytestmark = pytest.mark.django_db

GRADERS = "/dashboard/graders/"


@pytest.fixture
def grader() -> User:
    user = account("gpu-02")
    user.groups.add(Group.objects.get_or_create(name=conf.GRADER_GROUP)[0])
    return user


@pytest.fixture
def boss() -> Client:
    return browser_of(account("boss", is_staff=True, is_superuser=True))


def page(user: User) -> str:
    return f"{GRADERS}{user.pk}/"


def work(name: str) -> dict[str, int]:
    """One graded job, one failed, one held."""
    made = {}
    for kind in ("graded", "failed", "held"):
        make("q")
        job = claim_one("q", name)
        made[kind] = job.submission_id
        if kind == "graded":
            queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
        elif kind == "failed":
            queue.fail(job.submission_id, key_of(job), reason="Segmentation fault")
            queue.retire(job.submission_id)
    return made


def test_all_graders_with_what_they_did(staff: Client, grader: User) -> None:
    work("gpu-02")
    make("other")
    claim_one("other", "pushed")
    said = text(staff.get(GRADERS))
    assert re.search(r"gpu-02 [\d.]+ s ago 1 1 1 0 50 % q", said)
    assert re.search(r"pushed no account [\d.]+ s ago 1 0 0 0 - other", said)
    said = text(staff.get(f"{GRADERS}?queue=other"))
    assert "gpu-02" not in said
    assert "No grader has an account or has polled this queue." in text(staff.get(f"{GRADERS}?queue=none"))


@pytest.mark.parametrize("name", ["a\u200cb", "no\u202esuch", "\0"])
def test_the_graders_of_a_queue_are_those_of_no_other_one(staff: Client, name: str) -> None:
    make("a\u200cb")
    make("other")
    claim_one("a\u200cb", "ada")
    claim_one("other", "gpu-02")
    said = text(staff.get(GRADERS, {"queue": name}))
    assert ("ada" in said, "gpu-02" in said) == (name == "a\u200cb", False)


def test_the_page_of_one_grader(staff: Client, grader: User) -> None:
    made = work("gpu-02")
    GraderQueue.objects.get(name="q").graders.add(grader)
    answer = staff.get(page(grader))
    said = text(answer)
    assert "1 held now 1 graded in the last hour 1 failed 0 lost leases 50 % failure share" in said
    assert re.search(r"q granted [\d.]+ s ago 1 1 1 0", said)
    assert f"/dashboard/submissions/{made['held']}/".encode() in answer.content
    assert f"/dashboard/submissions/{made['failed']}/".encode() in answer.content
    assert "Last login never Live tokens 0" in said


def test_failed_and_lost_claims_lead_to_their_jobs(staff: Client, grader: User) -> None:
    failed = work("gpu-02")["failed"]
    queue_page = f"/dashboard/queues/{GraderQueue.objects.get(name='q').pk}/"
    for address in (GRADERS, page(grader), queue_page):
        body = staff.get(address).content.decode()
        links = [
            one.replace("&amp;", "&") for one in re.findall(r'href="(/dashboard/jobs/[?][^"]*claim=failed[^"]*)"', body)
        ]
        assert links
        for link in links:
            assert "since=1h&grader=gpu-02" in link
            assert f'/dashboard/submissions/{failed}/"' in staff.get(link).content.decode()
            none = staff.get(link.replace("claim=failed", "claim=lost"))
            assert "No job matches these filters" in text(none)
            assert "Claim: lease expired" in text(none)


def test_machines_that_say_their_names(staff: Client, grader: User) -> None:
    for number, machine in enumerate(("node-1", "node-2")):
        make("q")
        (job,) = queue.claim("q", grader="gpu-02", terms=queue.Terms(named=True))
        said_of_itself = {"name": machine, "version": "1.2", "labels": {"gpu": "a100"} if number else ["gpu"]}
        queue.note_claims([job], seconds=None, worker=json.dumps(said_of_itself))
        if number:
            queue.complete(job.submission_id, job.pullkey, score=1, reply="{}")
    said = text(staff.get(page(grader)))
    assert re.search(r"node-1 1.2; gpu [\d.]+ s ago 1 0 node-2 1.2; gpu=a100 [\d.]+ s ago 0 1", said)
    one = text(staff.get(f"{page(grader)}?machine=node-2"))
    assert "machine node-2" in one
    assert "Holds now No job." in one


def test_a_drained_grader_gets_no_further_job_and_may_finish_what_it_holds(staff: Client, grader: User) -> None:
    make("q")
    held = claim_one("q", "gpu-02")
    make("q")
    assert "gets no further jobs" in text(staff.post(f"{page(grader)}drain/", follow=True))
    assert queue.claim("q", grader="gpu-02") == []
    assert queue.depth("q", grader="gpu-02") == 0
    queue.complete(held.submission_id, key_of(held), score=1, reply="{}")
    assert "drained" in text(staff.get(GRADERS))
    assert re.search(r"Drained [\d.]+ s ago by staff ?; it holds no job.", text(staff.get(page(grader))))
    staff.post(f"{page(grader)}drain/")
    assert DrainedGrader.objects.count() == 1
    assert "gets jobs again" in text(staff.post(f"{page(grader)}undrain/", follow=True))
    assert len(queue.claim("q", grader="gpu-02")) == 1
    assert list(OperatorMove.objects.order_by("pk").values_list("actor", "move", "subject")) == [
        ("staff", "drain", "gpu-02"),
        ("staff", "drain", "gpu-02"),
        ("staff", "undrain", "gpu-02"),
    ]


def test_an_account_is_disabled_and_enabled(boss: Client, grader: User) -> None:
    assert "Account gpu-02 disabled" in text(boss.post(f"{page(grader)}disable/", follow=True))
    grader.refresh_from_db()
    assert not grader.is_active
    assert "disabled" in text(boss.get(GRADERS))
    boss.post(f"{page(grader)}enable/")
    grader.refresh_from_db()
    assert grader.is_active


def test_a_new_password_is_shown_once_and_kept_nowhere(boss: Client, grader: User) -> None:
    session = browser_of(grader)
    answer = boss.post(f"{page(grader)}password/")
    assert answer["Cache-Control"] == "private, no-store" or "no-store" in answer["Cache-Control"]
    (secret,) = re.findall(r'id="secret" tabindex="0">([^<]{30,})</code>', answer.content.decode())
    grader.refresh_from_db()
    assert grader.check_password(secret)
    assert not grader.check_password("secret")
    assert "_auth_user_id" not in session.session or session.get("/dashboard/").status_code == 302
    assert secret not in boss.get(page(grader)).content.decode()
    assert secret not in " ".join(OperatorMove.objects.values_list("subject", flat=True))


def test_a_token_is_replaced_by_one_that_may_do_the_same(boss: Client, grader: User) -> None:
    old, text_of_old = tokens.make_token(grader, scopes=[Scope.CLAIM], queues=["q", "py-*"], name="lab")
    answer = boss.post(f"{page(grader)}token/", {"token": old.public_id})
    (secret,) = re.findall(r'id="secret" tabindex="0">(gq_[^<]+)</code>', answer.content.decode())
    made = tokens.find_token(secret)
    assert made is not None
    assert (made.scope_list, made.patterns, made.name, made.created_by) == (["claim"], ["q", "py-*"], "lab", "boss")
    assert tokens.find_token(text_of_old) is None
    again = boss.post(f"{page(grader)}token/", {"token": old.public_id}, follow=True)
    assert "This token has ended already." in text(again)
    assert Token.objects.count() == 2
    assert "has ended" in text(boss.post(f"{page(grader)}revoke/", {"token": made.public_id}, follow=True))
    assert tokens.find_token(secret) is None


def test_a_token_of_somebody_else_is_not_touched(boss: Client, grader: User) -> None:
    other = account("other")
    other.groups.add(Group.objects.get(name=conf.GRADER_GROUP))
    token, secret = tokens.make_token(other, scopes=[Scope.CLAIM], queues=["*"])
    for name in ("token", "revoke"):
        assert boss.post(f"{page(grader)}{name}/", {"token": token.public_id}).status_code == 404
        assert boss.post(f"{page(grader)}{name}/").status_code == 404
    assert tokens.find_token(secret) is not None


CHANGES = {
    "drain": "can_pause",
    "undrain": "can_pause",
    "disable": "change_user",
    "enable": "change_user",
    "password": "change_user",
    "token": "add_token",
    "revoke": "change_token",
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_press_needs_its_permission(onlooker: Client, grader: User, name: str) -> None:
    before = grader.password
    assert f'{page(grader)}{name}/"'.encode() not in onlooker.get(page(grader)).content
    assert onlooker.post(f"{page(grader)}{name}/").status_code == 403
    assert onlooker.get(f"{page(grader)}{name}/").status_code == 405
    grader.refresh_from_db()
    assert (grader.password, grader.is_active) == (before, True)


def test_who_may_change_graders_cannot_become_an_administrator(grader: User) -> None:
    changer = account("changer", "view_externalgraderdetail", is_staff=True)
    changer.user_permissions.add(Permission.objects.get(codename="change_user"))
    client = browser_of(changer)
    for fields in ({"is_staff": True}, {"is_superuser": True}):
        User.objects.filter(pk=grader.pk).update(**fields)
        before = User.objects.get(pk=grader.pk).password
        for name in ("password", "disable", "enable"):
            assert client.post(f"{page(grader)}{name}/").status_code == 403
        assert User.objects.get(pk=grader.pk).password == before
        User.objects.filter(pk=grader.pk).update(is_staff=False, is_superuser=False)
    # And nobody who is no grader has a page at all.
    assert client.post(f"{GRADERS}{changer.pk}/password/").status_code == 404


def test_observers_and_others_see_no_graders(observer: Client, grader: User) -> None:
    for address in (GRADERS, page(grader)):
        assert observer.get(address).status_code == 404
    assert observer.post(f"{page(grader)}drain/").status_code == 404
    assert b"/dashboard/graders/" not in observer.get("/dashboard/").content
    assert Client().get(GRADERS).status_code == 302
    assert browser_of(account("x")).get(GRADERS).status_code == 403


def test_what_does_not_exist_is_not_found(boss: Client, grader: User) -> None:
    assert boss.get(f"{GRADERS}999999/").status_code == 404
    assert boss.post(f"{page(grader)}fly/").status_code == 404
    assert boss.get(f"{GRADERS}?queue=%00").status_code == 200


def test_a_foreign_site_changes_no_password(grader: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(account("boss", is_staff=True, is_superuser=True))
    before = grader.password
    answer: Any = client.post(f"{page(grader)}password/")
    assert answer.status_code == 403
    grader.refresh_from_db()
    assert grader.password == before


def test_an_account_that_is_a_grader_no_longer_is_an_account_still(staff: Client, grader: User) -> None:
    work("gpu-02")
    grader.groups.clear()
    GraderQueue.objects.get(name="q").graders.clear()
    said = text(staff.get(GRADERS))
    assert re.search(r"gpu-02 [\d.]+ s ago 1 1 1 0 50 % q", said)
    assert "no account" not in said


def test_numbers_of_less_than_an_hour_lead_to_lists_of_as_long(
    staff: Client, grader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graders, "MOST_RESULTS", 2)
    monkeypatch.setattr(queue_page, "MOST_RESULTS", 2)
    for _ in range(3):
        done = work("gpu-02")["graded"]
        later(60)
        ClaimEnd.objects.update(at=F("at") - timedelta(minutes=1))
    queue_of = f"/dashboard/queues/{GraderQueue.objects.get(name='q').pk}/"
    for address in (GRADERS, page(grader), queue_of):
        body = staff.get(address).content.decode()
        link, *_ = re.findall(r'href="(/dashboard/jobs/[?]state=graded&amp;since=2[^"]*grader=gpu-02[^"]*)">', body)
        shown = staff.get(html.unescape(link)).content.decode()
        listed = re.findall(r'<th role="rowheader" scope="row"><a href="/dashboard/submissions/(\d+)/', shown)
        (number,) = set(re.findall(rf'{re.escape(link)}">(?:<b>)?(\d+)<', body))
        assert (number, listed[0]) == (str(len(listed)), str(done))
