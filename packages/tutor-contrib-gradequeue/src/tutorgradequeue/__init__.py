"""gradequeue as a plugin of Tutor."""

__version__ = "0.2.0"
