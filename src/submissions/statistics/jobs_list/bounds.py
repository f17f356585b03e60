"""How much a list looks at, and how many rows its pages have."""

PAGE = 50
MOST_COUNTED = 10_000
# How many jobs are looked at together, where each must be looked at, and by one page at the most.
WINDOW, MOST_LOOKED = 1000, 10_000
# Up to so many student items, and submissions of theirs, are handed to the search by their ids.
MOST_ITEMS, MOST_NARROW = 1000, 5000
