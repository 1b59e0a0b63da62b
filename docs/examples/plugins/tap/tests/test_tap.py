from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pytest
from thcore.errors import ChangeError
from thcore.model import Checkout, Environment, Execution, Severity
from thcore.testing import make_build
from thcore.testing.contract import ExecutorContract, Work

from thplugins_example_tap import plugin as module
from thplugins_example_tap import protocol
from thplugins_example_tap.plugin import TapOptions
from thplugins_example_tap.plugin import plugin as tap


def suite(*lines: str, end: str = "") -> dict[str, str]:
    """A test suite that prints these lines, and ends in a way of its own."""
    printed = "\n".join(["#!/bin/sh", "cat <<'END'", *lines, "END", end])
    return {"suite.sh": printed + "\n"}


class TestTap(ExecutorContract):
    plugin = tap
    options = MappingProxyType({"command": ["./suite.sh"]})
    files = suite("1..2", "ok 1 - it starts", "ok 2 - it ends")
    failing = Work({"command": ["./suite.sh"]}, suite("1..2", "ok 1", "not ok 2 - it ends"))
    endless = Work({"command": ["./suite.sh"]}, suite("1..2", "# it is running", "ok 1", end="sleep 600"))


def run(directory: Path, files: dict[str, str]) -> Execution:
    with make_build(directory) as build:
        build.workspace.source.mkdir()
        program = build.workspace.source / "suite.sh"
        program.write_text(files["suite.sh"])
        program.chmod(0o755)
        checkout = Checkout(build.workspace.source, "1" * 40)
        return tap.thcore_execute(build, TapOptions(("./suite.sh",)), checkout, Environment())


def test_each_test_that_fails_is_a_finding_although_the_suite_ends_well(tmp_path: Path) -> None:
    execution = run(tmp_path, suite("1..3", "ok 1 - one", "not ok 2 - two \x1b[31m", "not ok 3"))

    assert (execution.exit_code, execution.message) == (0, "2 of 3 tests failed")
    assert [found.message for found in execution.findings] == ["Test failed: two  [31m", "Test failed: test 3"]
    assert {found.severity for found in execution.findings} == {Severity.FAILURE}
    assert execution.records[0].data == {"tests": 3, "failed": 2}


def test_what_is_skipped_or_still_to_be_done_has_not_failed(tmp_path: Path) -> None:
    execution = run(tmp_path, suite("ok 1 - a # SKIP no network", "not ok 2 - b # TODO next week", "1..2"))

    assert (execution.message, execution.findings) == ("2 tests passed", ())


@pytest.mark.parametrize("ran", [1, 3])
def test_tests_that_were_planned_and_are_missing_fail_the_change(tmp_path: Path, ran: int) -> None:
    execution = run(tmp_path, suite("1..2", *["ok"] * ran))

    (finding,) = execution.findings
    assert finding.message == f"The test suite planned 2 tests and ran {ran}"


def test_a_suite_that_gives_up_says_why(tmp_path: Path) -> None:
    execution = run(tmp_path, suite("1..2", "Bail out! there is no database", end="exit 255"))

    (finding,) = execution.findings
    assert finding.message == "The test suite gave up: there is no database"
    assert (execution.exit_code, execution.reason) == (255, "exit status 255")


def test_very_many_failures_are_counted_and_not_all_listed(tmp_path: Path) -> None:
    execution = run(tmp_path, suite(*["not ok"] * 1000))

    assert len(execution.findings) == 26
    assert execution.findings[-1].message == "975 more tests failed"


def test_a_suite_that_prints_too_much_is_stopped_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGEST", 1000)

    with pytest.raises(ChangeError, match="more than 1000 bytes"):
        run(tmp_path, suite(*["ok"] * 1000))


def test_lines_that_are_no_tap_are_no_tests() -> None:
    read = protocol.read(["TAP version 14", "okay", "not okay", "# a comment", "    ok 1 - a subtest", "1..x", "ok"])

    assert [point.title for point in read.points] == ["test 1"]
    assert read.planned is None
