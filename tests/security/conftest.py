from tests.xqueue.conftest import account, grader, stranger  # noqa: F401
