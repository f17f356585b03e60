"""REST v1, the second dialect over the queue's verbs: see ``docs/rest.md``. One file for a resource."""
