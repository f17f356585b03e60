"""The smallest Django site that serves edx-submissions, as a learning platform mounts it."""
