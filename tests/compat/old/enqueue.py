"""Make one job through edx-submissions' own API, in a database that may be ours by now; print its submission's id."""

import sys
from importlib import import_module

import django

django.setup()

item = {"student_id": "anon-late", "course_id": "course", "item_id": "block@late", "item_type": "problem"}
job = import_module("submissions.api").create_external_grader_detail(
    item, "print('beside')", sys.argv[1], "key-of-late", grader_file_name="grade.py", points_possible=4
)
print(job.submission_id)
