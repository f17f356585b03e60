"""The demonstration: a course being graded in front of you, by real graders over HTTP (``gradequeue demo``)."""
