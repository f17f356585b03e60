"""The document that is served is the one that the code makes, it is valid, and the server keeps to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from submissions.rest import openapi
from submissions.rest.schema import FILE
from tests.make import make
from tests.rest.talk import ROOT, grader, operator, platform
from tests.server import Server

DOCUMENT: dict[str, Any] = json.loads(FILE.read_text())


@pytest.mark.once
def test_the_file_is_what_the_code_makes() -> None:
    assert FILE.read_text() == openapi.text(), "run `make openapi`"


@pytest.mark.once
def test_the_document_is_valid() -> None:
    validate(DOCUMENT)
    assert DOCUMENT["openapi"] == "3.1.0"


PAGE, QUEUES = {"$ref": "#/components/schemas/Page"}, {"$ref": "#/components/schemas/Queues"}
SUBMISSION = {"anyOf": [{"$ref": "#/components/schemas/Submission"}, {"$ref": "#/components/schemas/LeastSubmission"}]}


@pytest.mark.once
@pytest.mark.parametrize(
    ("path", "shape"), [("submissions/", PAGE), ("queues/", QUEUES), ("submissions/{uuid}/", SUBMISSION)]
)
def test_a_page_is_no_list_and_a_minimal_view_no_whole_submission(path: str, shape: Any) -> None:
    assert _shape(path) == shape
    assert DOCUMENT["components"]["schemas"]["Page"]["properties"]["results"]["items"] == SUBMISSION
    assert DOCUMENT["components"]["schemas"]["LeastSubmission"]["required"] == ["uuid", "status"]


def _shape(path: str, method: str = "get", status: str = "200") -> Any:
    found = DOCUMENT["paths"][f"{ROOT}{path}"][method]["responses"][status]
    return found["content"]["application/json"]["schema"]


@pytest.mark.django_db
def test_answers_have_the_form_that_the_document_says() -> None:
    make(), make()
    ada, root = grader(), operator()
    claim = ada.claim()
    name, place = claim["submission"]["uuid"], f"claims/{claim['id']}/"
    _check(_shape("claims/{claim_id}/"), ada.get(place).body)
    _check(_shape("claims/{claim_id}/heartbeats/", "post"), ada.post(f"{place}heartbeats/").body)
    _check(_shape("claims/{claim_id}/result/", "put"), ada.put(f"{place}result/", {"score": 1}).body)
    for query in ("", "?view=minimal"):
        _check(_shape("submissions/"), root.get(f"submissions/{query}").body)
        _check(_shape("submissions/{uuid}/"), root.get(f"submissions/{name}/{query}").body)
        _check(_shape("submissions/{uuid}/result/"), root.get(f"submissions/{name}/result/{query}").body)
    _check(_shape("submissions/{uuid}/position/"), root.get(f"submissions/{name}/position/").body)
    _check(_shape("queues/"), root.get("queues/").body)
    _check(_shape("queues/{name}/"), root.get("queues/q/").body)
    _check(_shape("queues/{name}/statistics/"), root.get("queues/q/statistics/").body)
    _check(_shape("tokens/me/"), platform().get("tokens/me/").body)


def _check(shape: Any, body: Any) -> None:
    Draft202012Validator(shape | {"components": DOCUMENT["components"]}).validate(body)


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
