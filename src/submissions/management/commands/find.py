"""Find jobs by what is at hand: a submission's id or uuid, a queue, a learner, a course, an item, a grader."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from submissions.management.job_lists import JobListCommand
from submissions.statistics import find
from submissions.text import one_line


class Command(JobListCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("words", nargs="+", metavar="WORD", help="each word narrows; a part of a name is enough")

    def handle(self, **options: Any) -> None:
        text = " ".join(options["words"])
        answer = find.find(text)
        if answer.understood:
            self.tell("; ".join(f"{kind} {one_line(word)}" for word, kind in answer.understood))
        if answer.filters is not None and self.show(answer.filters, options):
            return
        if answer.choices:
            self.tell(f"{one_line(answer.unknown)!r} may mean:")
            rows = [(find.KINDS[one.kind], one.name) for one in answer.choices]
            if options["as_json"]:
                for kind, name in rows:
                    self.say({"kind": kind, "name": name})
            else:
                self.table(("kind", "name"), rows)
            return
        missing = one_line(answer.unknown or text, 100)
        raise CommandError(
            f"No job matches {missing!r}. Looked for: {find.TRIED}. "
            "Try one word, or the beginning of a name; 'jobs' lists all, the latest change first."
        )
