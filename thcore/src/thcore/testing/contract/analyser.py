"""What every analyser does."""

# ruff: noqa: S101 - pytest's checks are assertions
from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from attrs import frozen

from thcore.errors import CancelledError, DeadlineError
from thcore.model import Execution, Finding, Severity
from thcore.testing.build import ProvidedBuild
from thcore.testing.contract import hostile
from thcore.testing.contract.bench import Bench, passed_on
from thcore.testing.contract.kill import killed
from thcore.testing.contract.plugin import PluginContract, given
from thcore.testing.local import NAME
from thcore.testing.tree import write_tree

_LIMIT_S = 10.0
_CODE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


@frozen
class Evidence:
    """What an analyser looks at."""

    execution: Execution
    log: str
    files: Mapping[str, str]

    def put(self, build: ProvidedBuild) -> None:
        """Write it to the build's workspace."""
        write_tree(build.workspace.source, self.files)
        build.workspace.log.write_text(self.log, "utf-8")


class AnalyserContract(PluginContract):
    """Checks of a plugin that implements ``thcore_analyse``.

    With its ``options``, the analyser finds something in ``execution``, in ``log``, the text of the build log, or in
    ``files`` of the change.
    """

    hook = "thcore_analyse"
    execution: Any = Execution(exit_code=1)
    log: Any = ""
    files: Any = MappingProxyType({})

    @pytest.fixture
    def evidence(self, request: pytest.FixtureRequest) -> Evidence:
        """What it finds something in."""
        return Evidence(given(request, "execution"), given(request, "log"), given(request, "files"))

    def test_an_execution_that_never_was_is_no_failure_of_the_change(self, bench: Bench) -> None:
        with bench.build() as build:
            found = _analyse(bench, build, Execution())

        assert [finding for finding in found if finding.severity is Severity.FAILURE] == []

    def test_its_findings_have_codes_for_scripts_and_one_line_for_people(
        self, bench: Bench, evidence: Evidence
    ) -> None:
        with bench.build() as build:
            evidence.put(build)
            found = _analyse(bench, build, evidence.execution)

        assert found, "it finds nothing in the execution, the log and the files that the suite is given"
        _check(found)

    def test_the_same_evidence_gives_the_same_findings(self, bench: Bench, evidence: Evidence) -> None:
        with bench.build() as build:
            evidence.put(build)

            assert _analyse(bench, build, evidence.execution) == _analyse(bench, build, evidence.execution)

    @pytest.mark.parametrize("exit_code", [None, 0, 1, 137, -1, 1 << 40])
    def test_a_hostile_log_does_no_harm_and_takes_no_time(self, bench: Bench, exit_code: int | None) -> None:
        with bench.build() as build:
            build.workspace.log.write_bytes(hostile.LOG)
            began = time.monotonic()
            found = _analyse(bench, build, Execution(exit_code))
            took = time.monotonic() - began

        _check(found)
        assert took < _LIMIT_S

    def test_hostile_files_in_the_evidence_do_no_harm(self, bench: Bench) -> None:
        with bench.build() as build:
            secret = bench.directory / "secret.log"
            secret.write_text("Traceback ERROR do not tell\n")
            artifacts = build.workspace.artifacts
            os.mkfifo(artifacts / "pipe.log")
            (artifacts / "line\nline \x1b[31m.log").write_bytes(hostile.LOG)
            (artifacts / os.fsdecode(b"\xff\xfe.log")).write_bytes(hostile.LOG)
            (artifacts / "link.log").symlink_to(secret)
            build.workspace.log.unlink()
            build.workspace.log.symlink_to(secret)
            found = _analyse(bench, build, Execution(exit_code=1))

        _check(found)
        assert "do not tell" not in repr(found)

    def test_a_cancel_is_passed_on(self, bench: Bench, evidence: Evidence) -> None:
        with bench.cancelled() as build, passed_on(CancelledError):
            _analyse(bench, build, evidence.execution)

    def test_a_deadline_is_passed_on(self, bench: Bench, evidence: Evidence) -> None:
        with bench.late() as build, passed_on(DeadlineError):
            _analyse(bench, build, evidence.execution)

    def test_after_a_kill_the_next_attempt_finds_the_same(self, bench: Bench, evidence: Evidence) -> None:
        def analyse(ground: Bench, build: ProvidedBuild) -> tuple[Finding, ...]:
            evidence.put(build)
            return _analyse(ground, build, evidence.execution)

        with bench.build("b1") as build:
            expected = analyse(bench, build)
        for ground, build_id in killed(bench, analyse, self.kills):
            with ground.build(build_id) as build:
                ground.clean_up(build)
                ground.clean_up(build)
            with ground.build(build_id, attempt=2) as build:
                assert analyse(ground, build) == expected


def _analyse(bench: Bench, build: ProvidedBuild, execution: Execution) -> tuple[Finding, ...]:
    return bench.plugins.analyse(NAME, build, bench.options, execution)


def _check(found: tuple[Finding, ...]) -> None:
    for finding in found:
        assert _CODE.fullmatch(finding.code), finding
        assert finding.message.strip(), finding
        assert len(finding.message.splitlines()) == 1, finding
