"""What the pages show, each a fixed number of statements, and none over a whole table."""
