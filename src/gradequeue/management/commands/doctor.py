"""Check database, storage, deliveries and production settings for problems."""

from __future__ import annotations

from collections.abc import Iterator

from gradequeue.http import exposure
from submissions.management.commands import doctor
from submissions.upkeep.findings import Finding


class Command(doctor.Command):
    help = __doc__

    def findings(self, needed: int) -> Iterator[Finding]:
        yield from super().findings(needed)
        yield from exposure.findings()
