"""The command's name has a hyphen, which no module that is imported by name may have."""

from gradequeue.importing import ImportCommand as Command

__all__ = ["Command"]
