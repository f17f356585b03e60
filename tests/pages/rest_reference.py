"""Writes ``docs/rest-reference.md`` from the OpenAPI document: ``make reference``. A test holds the page to it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from submissions.rest import problems, urls
from submissions.rest.schema import FILE
from tests.walkthrough import ROOT

PAGE = ROOT / "docs" / "rest-reference.md"
PREFIX = "/api/external_grading/v1/"
HEAD = """# REST reference

*For developers of graders and platforms. At the end you know each request of the [REST dialect](rest.md): what it
takes, what it answers, and how it may be refused.*

Made from the OpenAPI document by `make reference`; not edited by hand. Addresses are below
`/api/external_grading/v1/`. Every request has `Authorization: Bearer gq_...`; a token with one of the named scopes may
make it. Refusals are [problems](errors.md#problems-of-rest):

| status | problem |
| --- | --- |
"""


def text() -> str:
    document = json.loads(FILE.read_text())
    return HEAD + "\n".join([*_statuses(), *_requests(document), *_shapes(document["components"]["schemas"])])


def _statuses() -> Iterator[str]:
    for status in sorted({kind.status for kind in problems.KINDS}):
        names = [kind.name for kind in problems.KINDS if kind.status == status]
        yield f"| {status} | {', '.join(f'[{name}](errors.md#{name})' for name in names)} |"
    yield ""


def _requests(document: Mapping[str, Any]) -> Iterator[str]:
    yield "## Requests\n"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield from _request(method, path.removeprefix(PREFIX), operation)


def _request(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {operation['summary']}: `{method.upper()} {path}`\n"
    yield f"Scope: {_scopes(method, path)}.\n"
    if parameters := operation.get("parameters"):
        yield "| parameter | in | type | needed |\n| --- | --- | --- | --- |"
        for one in parameters:
            yield f"| `{one['name']}` | {one['in']} | {_type(one['schema'])} | {'yes' if one.get('required') else ''} |"
        yield ""
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        yield f"Body: {_body(body['schema'])}, as `{kind}`.\n"
    for status, response in operation["responses"].items():
        if int(status) < 400:
            yield f"Answer {status}: {_answer(response)}.\n"
    yield f"Refused with {', '.join(status for status in operation['responses'] if int(status) >= 400)}.\n"


def _scopes(method: str, path: str) -> str:
    """From the resource itself: OpenAPI's bearer tokens have no scopes."""
    for pattern in urls.urlpatterns:
        # A route's variables stand in other brackets, and with a type.
        route = re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern))
        if route == path:
            actions, resource = pattern.callback.actions, pattern.callback.cls
            wanted = resource.scopes.get(actions.get(method, ""), ())
            return " or ".join(f"`{scope.value}`" for scope in wanted) or "any"
    raise LookupError(path)


def _body(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _type(schema)
    part = _type(schema["properties"]["submission"])
    return f"a part `submission` with a {part}, and a part for each file, whose file name is its name"


def _answer(response: Mapping[str, Any]) -> str:
    for kind, body in response.get("content", {}).items():
        return _type(body["schema"]) if kind == "application/json" else f"the bytes, as `{kind}`"
    return "nothing"


def _shapes(schemas: Mapping[str, Any]) -> Iterator[str]:
    yield "## Shapes\n"
    for name, schema in schemas.items():
        yield f"### {name}\n"
        if "description" in schema:
            yield f"{schema['description']}\n"
        if "enum" in schema:
            yield f"{_type(schema)}.\n"
            continue
        if not schema.get("properties"):
            continue
        needed = set(schema.get("required", []))
        yield "| member | type | always there | |\n| --- | --- | --- | --- |"
        for member, one in schema.get("properties", {}).items():
            always = "yes" if member in needed else ""
            yield f"| `{member}` | {_type(one)} | {always} | {one.get('description', '')} |"
        yield ""


def _type(schema: Mapping[str, Any]) -> str:
    """One schema in words; links where it is a shape of its own."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for word in ("oneOf", "anyOf", "allOf"):
        if word in schema:
            return " or ".join(_type(one) for one in schema[word])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kinds = schema.get("type", "any JSON")
    words = " or ".join(_named(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds))
    return f"{words}{_bounds(schema)}"


def _named(kind: str, schema: Mapping[str, Any]) -> str:
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and "properties" in schema:
        return "object of " + ", ".join(f"`{name}` ({_type(one)})" for name, one in schema["properties"].items())
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    return str(schema.get("format", "text")) if kind == "string" else kind


def _bounds(schema: Mapping[str, Any]) -> str:
    words = {"minimum": "from", "maximum": "to", "maxLength": "up to", "maxItems": "at most", "minItems": "at least"}
    words["maxProperties"] = "at most"
    found = [f"{word} {schema[name]:,}" for name, word in words.items() if name in schema]
    return f", {' '.join(found)}" if found else ""


def write() -> None:
    PAGE.write_text(text())
