"""A connection that the database's server has ended meanwhile, by a restart or a failover, costs no request."""

from __future__ import annotations

import pytest

from tests.connections import end_connection
from tests.make import make
from tests.rest.talk import grader

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases("postgresql", "mariadb")]


def test_a_connection_that_the_server_has_ended_costs_no_request() -> None:
    make(points_possible=10)
    ada = grader()
    assert ada.get("tokens/me/").status == 200
    end_connection()
    claim = ada.claim()
    end_connection()
    assert ada.put(f"claims/{claim['id']}/result/", {"score": 1}).status == 200
    end_connection()
    assert ada.post("claims/", {"queue_name": "q"}).body["claims"] == []
