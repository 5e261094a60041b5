"""A pytest plugin: with ``FAIL_ON_SKIP=1`` in the environment, a skipped test counts as a failure."""

import os
from collections.abc import Generator

import pytest


def _count_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("FAIL_ON_SKIP") == "1" and report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"FAIL_ON_SKIP=1: {reason}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _count_skip(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _count_skip(report)
    return report
