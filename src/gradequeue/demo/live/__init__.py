"""A demonstration that lives (``gradequeue demo --live``): a month of data, graders that go on, incidents that heal."""
