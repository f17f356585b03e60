"""Import paths that platforms know."""

from submissions.views.student_items import get_submissions_for_student_item

__all__ = ["get_submissions_for_student_item"]
