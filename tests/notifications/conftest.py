from tests.dashboard.conftest import observer

__all__ = ["observer"]
