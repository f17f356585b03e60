"""The outbox: results on their way to platforms."""

from submissions.outbox import create_for

__all__ = ["create_for"]
