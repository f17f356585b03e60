"""The document that is served is the one that the code makes, it is valid, and the server keeps to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import validate

from submissions.rest import openapi
from submissions.rest.schema import FILE
from tests.server import Server

DOCUMENT: dict[str, Any] = json.loads(FILE.read_text())


@pytest.mark.once
def test_the_file_is_what_the_code_makes() -> None:
    assert FILE.read_text() == openapi.text(), "run `make openapi`"


@pytest.mark.once
def test_the_document_is_valid() -> None:
    validate(DOCUMENT)
    assert DOCUMENT["openapi"] == "3.1.0"


def _token(server: Server, account: str, *scopes: str) -> str:
    words = [word for scope in scopes for word in ("--scope", scope)]
    (made,) = server.rows("token", "create", account, *words, "--queue", "*", "--json")
    return str(made["token"])


@pytest.fixture(scope="session")
def tokens(server: Server) -> list[str]:
    """Of a grader, a platform and an operator."""
    server.grader("fuzz-grader")
    server.run("submitter", "create", "fuzz-lms", "--json")
    make = "from django.contrib.auth.models import User; User.objects.create_superuser('fuzz-root')"
    server.run("shell", "-v", "0", "-c", make)
    return [
        _token(server, "fuzz-grader", "claim"),
        _token(server, "fuzz-lms", "submit"),
        _token(server, "fuzz-root", "operate", "observe"),
    ]


OPERATIONS = [(path, method) for path, operations in sorted(DOCUMENT["paths"].items()) for method in sorted(operations)]


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_request_is_answered_otherwise_than_the_document_says(
    server: Server, tokens: list[str], path: str, method: str
) -> None:
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    operation = schema[path][method.upper()]

    @settings(
        max_examples=4,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        for token in tokens:
            said = case.call(base_url=server.url, headers={"Authorization": f"Bearer {token}"}, timeout=20)
            assert said.status_code < 500, (said.status_code, said.text)
            assert str(said.status_code) in DOCUMENT["paths"][path][method]["responses"], (said.status_code, said.text)

    ask()
