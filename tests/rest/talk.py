"""What the tests of REST share: tokens, jobs, and requests as a client of HTTP makes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group, User
from django.test import Client

from submissions.accounts import tokens

ROOT = "/api/external_grading/v1/"
NO_CLAIM = "00000000-0000-4000-8000-000000000000"


def account(name: str, group: str = "xqueue", **fields: Any) -> User:
    user = User.objects.filter(username=name).first() or User.objects.create_user(name, **fields)
    if group:
        user.groups.add(Group.objects.get_or_create(name=group)[0])
    return user


@dataclass(frozen=True)
class Said:
    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def kind(self) -> str:
        """The type of the problem, its last word."""
        assert self.headers["Content-Type"] == "application/problem+json", self.body
        assert self.body["status"] == self.status
        return str(self.body["type"]).rpartition(":")[2].rpartition("/")[2]


class Rest:
    """A client with one token."""

    def __init__(self, token: str = "") -> None:
        self.http = Client(enforce_csrf_checks=True, raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: Any) -> Said:
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        kind = headers.pop("content_type", "application/json")
        given = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        response: Any = self.http.generic(method, ROOT + path, data, content_type=kind, headers=given)
        assert response["X-Request-ID"]
        text = b"".join(response) if response.streaming else response.content
        is_json = response.get("Content-Type", "").endswith("json")
        return Said(response.status_code, json.loads(text) if is_json and text else text, response.headers)

    def get(self, path: str, **headers: Any) -> Said:
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: Any) -> Said:
        return self.ask("POST", path, {} if body is None else body, **headers)

    def put(self, path: str, body: Any, **headers: Any) -> Said:
        return self.ask("PUT", path, body, **headers)

    def delete(self, path: str) -> Said:
        return self.ask("DELETE", path)

    # The walk. ------------------------------------------------------------------------------------------------------

    def claim(self, queue_name: str = "q", **more: Any) -> dict[str, Any]:
        """The one claim that is there."""
        said = self.post("claims/", {"queue_name": queue_name, **more})
        assert said.status == 200, said.body
        (claim,) = said.body["claims"]
        return dict(claim)


def with_token(user: User, *scopes: str, queues: tuple[str, ...] = ("*",), **more: Any) -> Rest:
    return Rest(tokens.make_token(user, scopes=scopes, queues=queues, **more)[1])


def grader(name: str = "grader", queues: tuple[str, ...] = ("*",)) -> Rest:
    return with_token(account(name), "claim", queues=queues)


def platform(name: str = "lms", queues: tuple[str, ...] = ("*",)) -> Rest:
    return with_token(account(name, "xqueue-submitters"), "submit", queues=queues)


def operator(name: str = "root", queues: tuple[str, ...] = ("*",)) -> Rest:
    user = account(name, "", is_staff=True, is_superuser=True)
    return with_token(user, "operate", "observe", queues=queues)
