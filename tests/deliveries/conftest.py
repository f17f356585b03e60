from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from submissions.outbound import http
from submissions.signals import result_ready
from tests.platform_stub import Platform


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform() as running:
        yield running


@pytest.fixture
def local(settings: Settings) -> None:
    """Results may go to this machine."""
    settings.SUBMISSIONS_OUTBOUND_NETWORKS = ["127.0.0.0/8", "::1/128"]


@pytest.fixture
def listener() -> Iterator[None]:
    """Somebody listens to the transport "signal"."""

    def listen(**_: object) -> None:
        pass

    result_ready.connect(listen)
    yield
    result_ready.disconnect(listen)


@pytest.fixture(autouse=True)
def no_idle_connections(settings: Settings) -> Iterator[None]:
    yield
    http.close()
