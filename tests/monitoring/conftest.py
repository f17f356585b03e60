from tests.xqueue.conftest import account, grader  # noqa: F401
