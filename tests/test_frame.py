"""The frame itself: what would make the other tests mean something else than they say."""

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db


def test_the_suite_runs_on_the_database_that_was_asked_for(kind: str) -> None:
    vendors = {"sqlite": "sqlite", "postgresql": "postgresql", "mariadb": "mysql"}
    assert connection.vendor == vendors[kind]
