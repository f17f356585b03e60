from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.test import Client

from submissions.models import Delivery, ExternalGraderDetail, GraderQueue
from tests.dashboard import daily as days

VERBS = {
    "can_retry": ExternalGraderDetail,
    "can_retire": ExternalGraderDetail,
    "can_release": ExternalGraderDetail,
    "can_pause": GraderQueue,
    "can_resend": Delivery,
}


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    cache.clear()


def account(name: str, *permissions: str, **fields: Any) -> User:
    user = User.objects.create_user(name, password="secret", **fields)
    for codename in permissions:
        model = VERBS.get(codename, ExternalGraderDetail)
        content_type = ContentType.objects.get_for_model(model)
        user.user_permissions.add(
            Permission.objects.get_or_create(codename=codename, content_type=content_type, defaults={"name": codename})[
                0
            ]
        )
    return user


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def staff(db: None) -> Client:
    """May look at everything, and do everything that the dashboard offers."""
    return browser_of(account("staff", "view_externalgraderdetail", *VERBS, is_staff=True))


@pytest.fixture
def root(db: None) -> Client:
    """May do everything."""
    return browser_of(User.objects.create_superuser("root"))


@pytest.fixture
def onlooker(db: None) -> Client:
    """Staff that may look, and do nothing."""
    return browser_of(account("onlooker", "view_externalgraderdetail", is_staff=True))


@pytest.fixture
def observer(db: None) -> Client:
    """Of the queue "q"."""
    user = account("observer")
    GraderQueue.objects.get_or_create(name="q")[0].observers.add(user)
    return browser_of(user)


# Of a module: while a browser is open nobody else in this process can open one, or ask the database.
@pytest.fixture(scope="module")
def daily(tmp_path_factory: pytest.TempPathFactory) -> Iterator[days.Daily]:
    with days.running(tmp_path_factory.mktemp("daily")) as running:
        yield running


def page_of(queue_name: str) -> str:
    return f"/dashboard/queues/{GraderQueue.objects.get(name=queue_name).pk}/"
