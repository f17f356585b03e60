"""People of the admin, logged in, and what their pages say."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from submissions.models import ExternalGraderDetail as Job

Login = Callable[..., Client]


@pytest.fixture
def login(db: None) -> Login:
    """A client of a member of staff with these permissions (``view_score``), or of a superuser."""

    def log_in(*permissions: str, superuser: bool = False, name: str = "operator") -> Client:
        user = User.objects.create(username=name, is_staff=True, is_superuser=superuser)
        found = Permission.objects.filter(content_type__app_label="submissions", codename__in=permissions)
        assert len(found) == len(permissions)
        user.user_permissions.set(found)
        client = Client()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def root(login: Login) -> Client:
    return login(superuser=True, name="root")


def address(model: str, what: str = "changelist", *args: Any) -> str:
    return reverse(f"admin:submissions_{model}_{what}", args=args)


LIST = "/admin/submissions/externalgraderdetail/"


def page_of(job: Job) -> str:
    return f"{LIST}{job.pk}/change/"


def text(response: Any) -> str:
    """What a person reads on the page: without tags, with single blanks."""
    assert response.status_code == 200, response
    body = re.sub(r"<(script|style).*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def listed(response: Any) -> list[int]:
    """The submission ids of a list of jobs, in its order."""
    assert response.status_code == 200, response
    return [job.submission_id for job in response.context["cl"].result_list]


def told(response: Any) -> list[str]:
    """The messages that the page shows."""
    return [str(message) for message in response.context["messages"]]
