"""Django's admin for operators: read-only rows, operators' moves as actions, and the settings of the queues.

Rows are read-only: a job is moved by the verbs of `submissions.queue` alone. Importing this registers everything.
"""

from submissions.admin import deliveries, jobs, queues, records

__all__ = ["deliveries", "jobs", "queues", "records"]
