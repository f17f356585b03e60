"""What a request's body says, also where a host's middleware has looked at it before."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from submissions.xqueue import bodies, wire

pytestmark = pytest.mark.once

FORM = "xqueue_header=%7B%7D&xqueue_body=%7B%22score%22%3A+1%7D"


def test_a_form_that_a_middleware_has_read_can_be_read_again() -> None:
    request = RequestFactory().post("/", FORM, content_type="application/x-www-form-urlencoded")
    assert request.POST["xqueue_header"] == "{}"
    found = bodies.fields(request)
    assert (found["xqueue_header"], found["xqueue_body"]) == ("{}", '{"score": 1}')


@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"]
)
def test_no_charset_is_read_that_takes_the_square_of_a_text(kind: str) -> None:
    request = RequestFactory().generic("POST", "/", b"{}-", content_type=f"{kind}; charset=punycode")
    with pytest.raises(wire.Malformed):
        bodies.fields(request)
