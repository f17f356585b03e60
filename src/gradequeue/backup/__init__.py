"""A copy of the database and of the submitted files in a folder, and the way back (``docs/backup.md``)."""
