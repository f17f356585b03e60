"""The command's name has a hyphen, which no module that is imported by name may have."""

from gradequeue.xqueue_import.command import ImportCommand as Command

__all__ = ["Command"]
