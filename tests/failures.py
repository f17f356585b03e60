"""Each failure is named as it comes, with its reason: otherwise a run of several processes names it at its end."""

from __future__ import annotations

import pytest


class Failures:
    """A plugin for the process that reports; those that run tests report to it."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and reporter is not None:
            reporter.write(f"\nFAILED {report.nodeid} - {reason(report)}\n", flush=True, red=True)


def reason(report: pytest.TestReport) -> str:
    """The first line of what was raised."""
    crash = getattr(report.longrepr, "reprcrash", None)
    return (str(crash.message) if crash else report.longreprtext).strip().partition("\n")[0]


def name_them(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Failures(config))
