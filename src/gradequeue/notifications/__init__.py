"""People are told of what is wrong, once, and when it is well again (``docs/notifications.md``, ADR 0136)."""
