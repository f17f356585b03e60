"""Print what a shell needs to complete commands and their options, for bash, zsh or fish."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from submissions.management.quiet import QuietCommand

# Django answers what fits the words so far, where these variables are set (ManagementUtility.autocomplete).
BASH = """\
_gradequeue() {
    COMPREPLY=( $(COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD DJANGO_AUTO_COMPLETE=1 "$1" 2>/dev/null) )
}
complete -o default -F _gradequeue gradequeue
"""
SCRIPTS = {
    "bash": BASH,
    "zsh": f"autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n{BASH}",
    "fish": """\
function __gradequeue
    set -l words (commandline -opc) (commandline -ct)
    set -lx COMP_WORDS "$words"
    set -lx COMP_CWORD (math (count $words) - 1)
    set -lx DJANGO_AUTO_COMPLETE 1
    gradequeue 2>/dev/null | string split " "
end
complete -c gradequeue -f -a "(__gradequeue)"
""",
}
PLACES = {
    "bash": "~/.local/share/bash-completion/completions/gradequeue",
    "zsh": "a file that ~/.zshrc sources",
    "fish": "~/.config/fish/completions/gradequeue.fish",
}


class Command(QuietCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("shell", choices=sorted(SCRIPTS))
        places = ", ".join(f"{place} ({shell})" for shell, place in PLACES.items())
        parser.epilog = f"Write it to {places}."

    def handle(self, **options: Any) -> None:
        self.stdout.write(SCRIPTS[options["shell"]], ending="")
