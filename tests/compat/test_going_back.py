"""A site that has second thoughts goes back: our additions are taken away, and edx-submissions finds its own tables."""

from __future__ import annotations

import re

import pytest

from tests.compat import environment, tables
from tests.compat.conftest import Site

pytestmark = pytest.mark.walk


def test_a_site_can_go_back_to_edx_submissions_and_come_again(site: Site, old_site: Site) -> None:
    site.server.run("migrate", "submissions", "0001_squashed_0008_externalgraderdetail_queue_key_and_more")
    assert built(site) == built(old_site)
    assert tables.dump(site.url) == site.before
    assert "No migrations to apply." in run_by_the_old_package(site, "django", "migrate", "submissions")
    inserted = int(run_by_the_old_package(site, "tests.compat.old.enqueue", "python"))
    site.server.run("migrate")
    (row,) = site.server.show(inserted)
    assert (row["status"], row["points_possible"]) == ("pending", 4)


def built(site: Site) -> dict[str, set[str]]:
    """The schema, but for eight hexadecimal digits that Django puts into the name of a check that it makes later."""
    return {
        table: {re.sub(r"_[0-9a-f]{8}_check", "_check", part) for part in parts}
        for table, parts in tables.schema(site.url).items()
    }


def run_by_the_old_package(site: Site, *words: str) -> str:
    return environment.run("-m", *words, database_url=site.url, media=site.folder / "media", release=site.release)
