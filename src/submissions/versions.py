"""The versions that the suite runs on. A new one: here, in pyproject.toml, in `docs/versions.md`, and in a pair of
``tests/pairs.py``."""

PYTHON = ("3.11", "3.12", "3.13")
DJANGO = ("5.2", "6.0", "6.1")
