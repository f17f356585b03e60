"""The live demo: a course graded by real graders over HTTP (``gradequeue demo``)."""
