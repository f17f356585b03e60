"""gradequeue: the `submissions` app, served alone."""

__version__ = "0.2.0"
