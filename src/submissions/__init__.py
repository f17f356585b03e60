"""Submissions, their scores, and the queue in which they wait for an external grader."""

# Whose folder this is: edx-submissions brings one of the same name, and what is installed later writes over the other.
DISTRIBUTION = "gradequeue"
