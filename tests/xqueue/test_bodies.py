"""What a request's body says, also where a host's middleware has looked at it before."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from submissions.xqueue import bodies

pytestmark = pytest.mark.once

FORM = "xqueue_header=%7B%7D&xqueue_body=%7B%22score%22%3A+1%7D"


def test_a_form_that_a_middleware_has_read_can_be_read_again() -> None:
    request = RequestFactory().post("/", FORM, content_type="application/x-www-form-urlencoded")
    assert request.POST["xqueue_header"] == "{}"
    found = bodies.fields(request)
    assert (found["xqueue_header"], found["xqueue_body"]) == ("{}", '{"score": 1}')
