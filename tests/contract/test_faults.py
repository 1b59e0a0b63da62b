"""The suites pass a plugin that is well, and find each fault of one that is not."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import pytest

CHECKS = {
    ("checkout", "outside"): "test_the_change_is_inside_the_workspace_and_its_commit_is_known",
    ("checkout", "commit"): "test_the_change_is_inside_the_workspace_and_its_commit_is_known",
    ("checkout", "shared"): "test_whatever_is_done_to_one_build_does_not_reach_another",
    ("checkout", "missing"): "test_a_change_that_does_not_exist_is_told_as_such",
    ("checkout", "cancel"): "test_a_build_that_was_cancelled_is_not_checked_out",
    ("checkout", "cleanup"): "test_cleanup_may_come_twice_and_for_an_attempt_that_never_was",
    ("checkout", "process"): "test_the_change_is_inside_the_workspace_and_its_commit_is_known",
    ("checkout", "deadline"): "test_a_build_whose_time_is_over_is_not_checked_out",
    ("checkout", "kill"): "test_after_a_kill_the_next_attempt_gets_the_same_tree",
    ("environment", "program"): "test_programs_run_inside_it",
    ("environment", "leak"): "test_nothing_of_the_workers_own_environment_leaks_into_it",
    ("environment", "shared"): "test_a_second_build_gets_the_same_and_outlives_the_first",
    ("environment", "description"): "test_a_second_build_gets_the_same_and_outlives_the_first",
    ("environment", "broken"): "test_a_broken_project_is_told_as_such",
    ("environment", "cancel"): "test_a_cancel_is_passed_on",
    ("environment", "deadline"): "test_a_deadline_is_passed_on",
    ("environment", "names"): "test_hostile_names_of_files_do_no_harm",
    ("environment", "kill"): "test_after_a_kill_the_next_attempt_gets_a_whole_one",
    ("executor", "exit"): "test_it_answers_how_its_work_ended",
    ("executor", "artifact"): "test_its_artifacts_are_files_of_the_workspace",
    ("executor", "raises"): "test_work_that_fails_is_an_answer_and_no_exception",
    ("executor", "swallowed"): "test_a_cancel_ends_its_work_soon_and_all_that_it_started",
    ("executor", "deaf"): "test_the_deadline_ends_its_work_soon_and_all_that_it_started",
    ("executor", "unsteady"): "test_the_same_work_is_answered_in_the_same_way",
    ("executor", "parameters"): "test_hostile_parameters_of_a_build_and_names_of_files_do_no_harm",
    ("executor", "kill"): "test_after_a_kill_the_next_attempt_does_all_of_its_work",
    ("analyser", "never-was"): "test_an_execution_that_never_was_is_no_failure_of_the_change",
    ("analyser", "silent"): "test_its_findings_have_codes_for_scripts_and_one_line_for_people",
    ("analyser", "code"): "test_its_findings_have_codes_for_scripts_and_one_line_for_people",
    ("analyser", "lines"): "test_its_findings_have_codes_for_scripts_and_one_line_for_people",
    ("analyser", "unsteady"): "test_the_same_evidence_gives_the_same_findings",
    ("analyser", "strict"): "test_a_hostile_log_does_no_harm_and_takes_no_time",
    ("analyser", "slow"): "test_a_hostile_log_does_no_harm_and_takes_no_time",
    ("analyser", "link"): "test_hostile_files_in_the_evidence_do_no_harm",
    ("analyser", "cancel"): "test_a_cancel_is_passed_on",
    ("analyser", "deadline"): "test_a_deadline_is_passed_on",
    ("analyser", "kill"): "test_after_a_kill_the_next_attempt_finds_the_same",
    ("publisher", "bytes"): "test_all_evidence_can_be_read_back_byte_for_byte",
    ("publisher", "failed"): "test_every_outcome_is_published_at_a_complete_address",
    ("publisher", "url"): "test_every_outcome_is_published_at_a_complete_address",
    ("publisher", "twice"): "test_publishing_twice_is_publishing_once",
    ("publisher", "later"): "test_a_later_attempt_takes_the_place_of_an_earlier_one",
    ("publisher", "earlier"): "test_an_earlier_attempt_that_comes_late_overwrites_nothing",
    ("publisher", "workers"): "test_an_attempt_of_a_worker_that_lost_the_build_overwrites_nothing",
    ("publisher", "counts"): "test_an_attempt_of_a_worker_that_was_handed_the_build_takes_the_place_of_the_other",
    ("publisher", "names"): "test_hostile_names_of_files_are_kept_or_left_out_and_hide_no_other_file",
    ("publisher", "link"): "test_nothing_but_plain_files_of_the_evidence_is_published",
    ("publisher", "unreachable"): "test_a_target_that_cannot_be_reached_is_a_fault_of_the_infrastructure",
    ("publisher", "cancel"): "test_a_cancel_is_passed_on",
    ("publisher", "deadline"): "test_a_deadline_is_passed_on",
    ("publisher", "kill"): "test_after_a_kill_all_is_published_when_it_is_published_again",
}

SUITES = f"""
import pytest
from thcore.testing.contract import analyser, executor
from parts.faulty_plugins import SUITES

analyser._LIMIT_S = 1.0
executor._DEADLINE_S = executor._GRACE_S = 2.5

@pytest.fixture(autouse=True)
def _place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

for stage, (plugin, suite) in SUITES.items():
    for fault in ["", *(fault for of, fault in {list(CHECKS)!r} if of == stage)]:
        name = f"Test_{{stage}}_{{fault}}"
        globals()[name] = type(name, (suite,), {{"plugin": plugin(fault)}})
"""


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, set[str]]:
    """Runs every suite on a plugin without a fault, and for each fault the check that is about it; answers the names
    of the checks that ran, by class, and which failed: with ``!`` in front."""
    directory = tmp_path_factory.mktemp("suites")
    (directory / "test_suites.py").write_text(SUITES)
    (directory / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    whole = [f"test_suites.py::Test_{stage}_" for stage in {stage for stage, _ in CHECKS}]
    single = [f"test_suites.py::Test_{stage}_{fault}::{check}" for (stage, fault), check in CHECKS.items()]
    options = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib", "--junit-xml=report.xml", "--tb=line")
    path = os.pathsep.join([str(Path(__file__).parents[1]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *whole, *single],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    found: dict[str, set[str]] = {}
    for case in ET.parse(directory / "report.xml").iter("testcase"):
        bad = case.find("failure") is not None or case.find("error") is not None
        name = case.get("name", "").partition("[")[0]
        found.setdefault(case.get("classname", "").rpartition(".")[2], set()).add(f"!{name}" if bad else name)
    return found


@pytest.mark.parametrize("stage", ["checkout", "environment", "executor", "analyser", "publisher"])
def test_a_plugin_that_is_well_passes_every_check(failed: Mapping[str, set[str]], stage: str) -> None:
    checks = failed[f"Test_{stage}_"]

    assert len(checks) >= 8
    assert not [check for check in checks if check.startswith("!")]


@pytest.mark.parametrize(("stage", "fault"), CHECKS)
def test_a_fault_fails_the_check_that_is_about_it(failed: Mapping[str, set[str]], stage: str, fault: str) -> None:
    assert f"!{CHECKS[stage, fault]}" in failed[f"Test_{stage}_{fault}"]
