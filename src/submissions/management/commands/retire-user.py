"""Anonymise a learner: a pseudonym in place of the id; answers, files and replies are removed, scores stay."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from submissions.activity import note
from submissions.management.base import DataCommand, operator
from submissions.text import counted
from submissions.upkeep import retire_learner
from submissions.upkeep.removal import FileStays, Removed


class Command(DataCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("student_id", metavar="STUDENT_ID", help="the id under which the platform hands in")
        parser.add_argument("--dry-run", action="store_true", help="only say what it would touch")

    def handle(self, **options: Any) -> None:
        student_id = options["student_id"]
        found = retire_learner.about(student_id)
        # The id itself is what must be forgotten: it is not repeated here.
        parts = (counted(found.items, "item"), counted(found.submissions, "submission"), counted(found.files, "file"))
        self.tell(f"Will anonymise {', '.join(parts)}.")
        if not any(asdict(found).values()):
            self.tell("Nothing is here of a learner with this id.")  # mistyped, perhaps
        elif not options["dry_run"]:
            # Under the pseudonym: the id is what must be forgotten.
            note(operator(), "anonymise", subject=retire_learner.pseudonym(student_id))
            found = Removed()
            try:
                for part in retire_learner.retire_student(student_id):
                    found.add(part)
            except FileStays as stays:
                raise CommandError(f"{stays}. Mend that, and repeat the command: it goes on from there.") from stays
            self.tell(f"Anonymised as {retire_learner.pseudonym(student_id)}.")
        if options["as_json"]:
            self.say(
                asdict(found) | {"retired_as": retire_learner.pseudonym(student_id), "dry_run": options["dry_run"]}
            )
