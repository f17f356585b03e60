"""The smallest Django site that serves edx-submissions, or our app in its place, as a learning platform mounts it."""
