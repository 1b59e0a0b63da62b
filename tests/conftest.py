"""What holds for all tests."""

from __future__ import annotations

import contextlib
import os
import posix
import shutil
import signal
import stat
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import coverage
import pytest

from thcore.hooks import scatter
from thcore.testing.swift import Swift

from parts.browser import chromium, visitor  # noqa: F401 - fixtures

pytest_plugins = ["thcore.testing.plugin"]

PASS = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
ROOM = pytest.StashKey[Path]()
UNMEASURED = ("thplugins_dbmigration", "docs", "system")
"""Directories of tests that count for the coverage of the core if they are marked as ``measured`` only: elsewhere they
would go once more through what is counted already."""
MEASURING = "COVERAGE_PROCESS_CONFIG"
"""The variable that has every Python which a test starts measure itself, too. That costs each a tenth of a second of
processor time, so that only those of tests marked as ``measured`` do."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """As root, keep temporary files where other accounts may pass.

    Tests that run as root have their database servers run as an account of their own, as a worker that is root does.
    pytest's own place is closed to them, and closed again by every pytest that a test starts.
    """
    # A shell's background job has it ignored, and so would every program that a test starts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if os.geteuid() == 0 and config.option.basetemp is None:
        config.stash[ROOM] = opened(Path(tempfile.mkdtemp(prefix="thcore-tests-")))
        config.option.basetemp = config.stash[ROOM] / "all"


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    if (measured := coverage.Coverage.current()) is not None:
        # Its patches are there. It would make each of them once more whenever it is started again, and a fork would
        # then begin to measure as often.
        measured.set_option("run:patch", [])
        # In a worker pytest-cov begins twice, and what the second one leaves out the first one would go on measuring.
        while (each := coverage.Coverage.current()) is not None:
            each.stop()
        measured.start()
    os.register_at_fork(after_in_child=measure_no_fork)


def measure_no_fork() -> None:
    """Measure no coverage in a fork of a test's own process. When it exits it would write down again what all tests
    before have covered, which takes seconds late in a run."""
    if (measured := coverage.Coverage.current()) is not None:
        measured.stop()
    os._exit = posix._exit


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus == 0 and ROOM in session.config.stash:
        shutil.rmtree(session.config.stash[ROOM], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that have asked for more time than others, so that nobody waits for them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure the coverage of the core by its own tests and some of the whole."""
    room = item.path.relative_to(Path(__file__).parent).parts[0]
    with contextlib.ExitStack() as without:
        if not item.get_closest_marker("measured"):
            without.enter_context(processes_unmeasured())
            if room in UNMEASURED:
                without.enter_context(unmeasured())
        return (yield)


@contextlib.contextmanager
def processes_unmeasured() -> Iterator[None]:
    """Measure no coverage in what is started."""
    variable = os.environ.pop(MEASURING, None)
    try:
        yield
    finally:
        if variable is not None:
            os.environ[MEASURING] = variable


@contextlib.contextmanager
def unmeasured() -> Iterator[None]:
    """Measure no coverage here."""
    measured = coverage.Coverage.current()
    if measured is None:
        yield
        return
    measured.stop()
    try:
        yield
    finally:
        measured.start()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show what tests have measured and told as the property ``figures``, also those that passed elsewhere."""
    for report in terminalreporter.getreports("passed"):
        for text in (value for name, value in report.user_properties if name == "figures"):
            terminalreporter.section(report.nodeid)
            terminalreporter.write_line(text)


@pytest.fixture(scope="session", autouse=True)
def passable(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Open the directories that pytest makes for tests, too."""
    make: Any = tmp_path_factory.mktemp

    def mktemp(basename: str, numbered: bool = True) -> Path:
        return opened(make(basename, numbered))

    base = opened(tmp_path_factory.getbasetemp())
    scatter(base)
    if "PYTEST_XDIST_WORKER" in os.environ and os.geteuid() == 0:
        opened(base.parent)
    tmp_path_factory.mktemp = mktemp  # type: ignore[method-assign]  # also what tmp_path is made with


def opened(path: Path) -> Path:
    path.chmod(stat.S_IMODE(path.stat().st_mode) | PASS)
    return path


@pytest.fixture(scope="session")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    """A real Swift, whose proxy takes some objects as ``parts/swift_proxy/refusal.py`` says."""
    directory = tmp_path_factory.mktemp("swift")
    filters = {"refusal": f"paste.filter_factory = refusal:factory\nallowed = {directory}/allowed"}
    modules = Path(__file__).parent / "parts" / "swift_proxy"
    with Swift(directory, filters=filters, path=(modules,)) as server:
        yield server
