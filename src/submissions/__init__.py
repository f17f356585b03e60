"""Submissions, their scores, and the queue in which they wait for an external grader."""
