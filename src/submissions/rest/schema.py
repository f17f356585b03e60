"""schema/ and docs/: what this API is, for programs and for people."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from django.contrib.staticfiles import finders
from django.http import HttpResponse, HttpResponseBase
from django.templatetags.static import static
from rest_framework.request import Request

from submissions.accounts.permissions import is_staff
from submissions.models import Token
from submissions.rest import base, problems
from submissions.rest.base import Resource, http
from submissions.rest.problems import Problem

FILE = Path(__file__).parent / "openapi.json"
UI = "drf_spectacular_sidecar/swagger-ui-dist/"
PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>gradequeue REST</title><link rel="stylesheet" href="{css}"></head>
<body><div id="swagger-ui"></div><script src="{bundle}"></script><script src="{script}"></script></body>
</html>
"""
SCRIPT = """SwaggerUIBundle({{url: {url}, dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null}});
"""
# The library sets styles by itself; scripts are its own files and ours alone.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)


class ForReaders(Resource):
    """For any token, and for staff with a session of the admin's."""

    permission_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # REST framework puts its own nobody there, where there is no token.
        user = getattr(http(request), "user", None)
        may_read = user is not None and user.is_active and is_staff(user)
        super().initial(request, *args, **kwargs)
        if not isinstance(request.auth, Token) and not (may_read and request.method in ("GET", "HEAD")):
            realm = {"WWW-Authenticate": 'Bearer realm="gradequeue"'}
            raise Problem(problems.AUTHN, "This needs a token, or a session of staff.", headers=realm)


class Schema(ForReaders):
    def retrieve(self, request: Any) -> HttpResponseBase:
        if "yaml" in http(request).headers.get("Accept", ""):
            return HttpResponse(_as_yaml(), content_type="application/yaml")
        return HttpResponse(FILE.read_bytes(), content_type=base.JSON)


class Docs(ForReaders):
    def retrieve(self, request: Any) -> HttpResponseBase:
        if finders.find(f"{UI}swagger-ui-bundle.js") is None:
            raise Problem(problems.NOT_FOUND, "Swagger UI is not installed here: pip install drf-spectacular-sidecar.")
        page = PAGE.format(
            css=static(f"{UI}swagger-ui.css"), bundle=static(f"{UI}swagger-ui-bundle.js"), script="script.js/"
        )
        return HttpResponse(page, headers={"Content-Security-Policy": POLICY})

    def script(self, request: Any) -> HttpResponseBase:
        url = json.dumps(base.address(http(request), "rest-schema"))
        return HttpResponse(SCRIPT.format(url=url), content_type="text/javascript; charset=utf-8")


@cache
def _as_yaml() -> str:
    return str(yaml.safe_dump(json.loads(FILE.read_text()), sort_keys=False, allow_unicode=True))
