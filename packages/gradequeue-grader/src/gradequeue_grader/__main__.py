"""``python -m gradequeue_grader``."""

import sys

from gradequeue_grader.cli import main

sys.exit(main())
