"""What `thcore builds` tells of the past; no worker runs."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner

from thcore.cli.main import cli, main
from thcore.errors import ExitCode
from thcore.history.database import address
from thcore.history.store import History
from thcore.history.upgrade import upgrade
from thcore.model import Answered, Change, ChangeKind, Finding, Outcome, Publication, Severity, Verdict
from thcore.testing.ports import free_port

from parts.history import at, configuration
from parts.outcomes import BUILD, cancelled, failing, passing, unverified

CONFIG = "directories: {state: state}\njobs: [{name: gate, plugins: {shell: {script: [make]}}}]\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a configuration, as the working directory."""
    (tmp_path / "thcore.yaml").write_text(CONFIG)
    (tmp_path / "state").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("THCORE_CONFIG", raising=False)
    return tmp_path


def remembered(place: Path, *outcomes: Outcome, answered: Answered = Answered.YES) -> None:
    """Have the history of the place hold these."""
    url = address(configuration(place / "state"))
    upgrade(url)
    history = History.open(url)
    for outcome in outcomes:
        history.record(outcome, answered=answered)
    history.close()


def called(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code and both outputs of the command as a user would see them."""
    with pytest.raises(SystemExit) as caught:
        main(["builds", *arguments])
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


def listed(*arguments: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The builds of a list."""
    code, out, err = called(*arguments, "--json", capsys=capsys)
    assert (code, err) == (0, "")
    return [entry["build"] for entry in json.loads(out)]


@pytest.mark.parametrize("command", ["list", "show"])
def test_the_help_of_each_command_fits_a_terminal_and_has_an_example(command: str) -> None:
    output = CliRunner().invoke(cli, ["builds", command, "--help"], terminal_width=80, prog_name="thcore").output
    assert [line for line in output.splitlines() if len(line) > 80] == []
    assert f"Example: thcore builds {command}" in output


@pytest.mark.parametrize("command", [(), ("list",)])
def test_builds_are_listed_newest_first_with_what_became_of_them(
    place: Path, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    remembered(place, at(failing(), BUILD, 0), at(unverified(), BUILD, 1), at(passing(), "ff00", 2))

    code, out, err = called(*command, capsys=capsys)

    assert (code, err) == (0, "")
    title, *lines = out.splitlines()
    assert title.split() == ["Build", "Attempt", "Verdict", "Job", "Change", "Started", "Took", "Worker"]
    assert [line.split()[:6] for line in lines] == [
        ["ff00", "1", "SUCCESS", "gate-real-db-upgrade_example", "example/shop", "12345,2"],
        [BUILD, "2", "UNVERIFIED", "gate-real-db-upgrade_example", "example/shop", "12345,2"],
        [BUILD, "1", "FAILURE", "gate-real-db-upgrade_example", "example/shop", "12345,2"],
    ]
    assert "\x1b" not in out


def test_a_list_can_be_narrowed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now = datetime.datetime.now(datetime.UTC)
    other = evolve(passing(), build="other", job="docs", change=Change("example/docs", ChangeKind.BRANCH, "main"))
    fresh = evolve(cancelled(), build="fresh", started=now, ended=now)
    remembered(place, at(passing(), "pass", 1), at(failing(), "fail", 2), other, fresh)

    assert listed(capsys=capsys) == ["fresh", "fail", "pass", "other"]
    assert listed("--limit", "2", capsys=capsys) == ["fresh", "fail"]
    assert listed("--job", "docs", capsys=capsys) == ["other"]
    assert listed("--project", "example/shop", capsys=capsys) == ["fresh", "fail", "pass"]
    assert listed("--verdict", "success", capsys=capsys) == ["pass", "other"]
    assert listed("--since", "2h", capsys=capsys) == ["fresh"]
    assert listed("--since", "999999d", capsys=capsys) == ["fresh", "fail", "pass", "other"]
    assert listed("--verdict", "FAILURE", "--job", "docs", capsys=capsys) == []


def test_a_list_as_json_has_everything_but_what_only_a_build_shows(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remembered(place, evolve(failing(), publications=(Publication("https://logs.example.org/1"),)))

    (entry,) = json.loads(called("--json", capsys=capsys)[1])

    assert not {"stages", "datasets", "findings"} & set(entry)
    assert (entry["verdict"], entry["answered"], entry["url"]) == ("FAILURE", "yes", "https://logs.example.org/1")
    assert datetime.datetime.fromisoformat(entry["started"]) == failing().started


@pytest.mark.parametrize(
    "arguments",
    [
        ("--since", "yesterday"),
        ("--since", "-1h"),
        ("--verdict", "good"),
        ("--limit", "0"),
        ("--limit", "x"),
        ("--jb", "x"),
        ("shwo", "x"),
        ("show",),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_told(
    place: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = called(*arguments, capsys=capsys)

    assert (code, out) == (ExitCode.USAGE, "")
    assert "Error: " in err
    if arguments == ("--since", "yesterday"):
        assert "'yesterday' is not a duration; write for example 90s, 15m or 1h30m" in err


def test_a_build_is_shown_with_its_stages_steps_costs_limits_and_findings(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = evolve(at(failing(), BUILD, 1), timed_out=True, publications=(Publication("https://logs.example.org/1"),))
    remembered(place, at(unverified(), BUILD, 0), answered=Answered.NO)
    remembered(place, slow, at(passing(), "other", 0))

    code, out, err = called("show", "e84f", capsys=capsys)

    assert (code, err) == (0, "")
    first, second = out.split("\n\n")
    assert first.startswith(f"{BUILD} attempt 2 of gate-real-db-upgrade_example\nUNVERIFIED Could not measure on ")
    assert "Zuul was not answered: the connection was lost" in first
    assert "Stages:   checkout ok 3.2 s, environment ok 12 s, execute failed 5 m 31 s, analyse ok" in first
    assert "publish" not in first
    assert "Zuul was answered" in second
    assert "took 5 m 48 s, ended by its deadline" in second
    assert "Change:   example/shop 12345,2 at 9b1c6a0d4f7e2835ab90cd12ef345678a1b2c3d4" in second
    assert "Evidence: https://logs.example.org/1" in second
    assert "Dataset shop-mariadb on MariaDB 10.11.6 5d41402abc4b\n" in second
    (step,) = (line for line in second.splitlines() if "+  b5d083fa1c46" in line and "4,549,686 (over limit" in line)
    assert step.split("  ")[-1].strip() == (
        "Innodb_rows_read 4,549,686 (over limit 2,000,000), bytes_written 141,040,266 (limit 268,435,456)"
    )
    assert "1 m 14 s (over limit 1 m 00 s)" in step
    assert "bytes_written unknown" in second
    assert "failure migration-too-slow: Step b5d083fa1c46 read 4,549,686 rows" in second
    assert "(example/models/orders.py:118)" in second
    assert "Add the column with ALGORITHM=INSTANT" in second


def test_a_build_as_json_has_every_attempt_with_all_that_is_known(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remembered(place, at(unverified(), BUILD, 0), at(failing(), BUILD, 1))

    code, out, _ = called("show", BUILD, "--json", capsys=capsys)

    first, second = json.loads(out)
    assert code == 0
    assert (first["attempt"], second["attempt"]) == (2, 1)
    step = second["datasets"][1]["steps"][10]
    assert step["measurement"]["wall_s"] == 74.3
    assert step["measurement"]["counters"] == {"Innodb_rows_read": 4549686, "bytes_written": 141040266}
    assert [limit["counter"] for limit in step["limits"]] == ["wall_s", "Innodb_rows_read", "bytes_written"]
    assert [finding["code"] for finding in second["findings"]] == ["deprecated-call", "migration-too-slow"]
    assert [stage["name"] for stage in second["stages"]] == ["checkout", "environment", "execute", "analyse"]


@pytest.mark.parametrize("build", ["nothing", "", "%", "E84F"])
def test_an_unknown_build_is_an_error(place: Path, build: str, capsys: pytest.CaptureFixture[str]) -> None:
    remembered(place, passing())

    code, out, err = called("show", build, capsys=capsys)

    assert (code, out) == (ExitCode.USAGE, "")
    assert f"Error: the history has no build {build!r}; `thcore builds` lists those that it has" in err


def test_a_beginning_of_several_builds_is_an_error_that_names_them(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remembered(place, *(at(passing(), build) for build in ("ab1", "ab2", "ab")))

    code, _, err = called("show", "a", capsys=capsys)

    assert code == ExitCode.USAGE
    assert "'a' is the beginning of several builds: ab, ab1, ab2; write more of it" in " ".join(err.split())
    assert called("show", "ab", capsys=capsys)[0] == 0


def test_text_of_others_cannot_steer_the_terminal(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = "[red]x[/red]\x1b[2J\nsecond"
    outcome = evolve(
        failing(),
        job=odd,
        summary=odd,
        commit=odd,
        change=Change(odd, ChangeKind.BRANCH, odd),
        publications=(Publication(odd),),
        worker=evolve(failing().worker, name=odd),
        datasets=tuple(
            evolve(
                dataset,
                name=odd,
                steps=tuple(
                    evolve(step, result=odd, step=evolve(step.step, version=odd, title=odd)) for step in dataset.steps
                ),
            )
            for dataset in failing().datasets
        ),
        findings=(Finding(odd, Severity.FAILURE, odd, hint=odd),),
    )
    remembered(place, outcome)

    for arguments in ((), ("show", BUILD)):
        code, out, err = called(*arguments, capsys=capsys)
        assert (code, err) == (0, "")
        assert "\x1b" not in out
        assert "[red]x[/red]\\x1b[2J\\nsecond" in out
        assert "\nsecond" not in out


def test_colours_and_short_ids_are_for_a_terminal(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    remembered(place, passing(), at(failing(), "0" * 32, 1))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")

    out = called(capsys=capsys)[1]

    assert "\x1b[1;31mFAILURE" in out
    assert "\x1b[1;32mSUCCESS" in out
    assert BUILD not in out
    assert BUILD[:12] in out


def test_where_no_worker_has_run_there_are_no_builds_and_nothing_is_made(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(capsys=capsys) == (0, "No builds.\n", "")
    assert called("--json", capsys=capsys) == (0, "[]\n", "")
    assert called("show", "x", capsys=capsys)[0] == ExitCode.USAGE
    assert list((place / "state").iterdir()) == []


def test_a_history_that_cannot_be_reached_exits_with_69_and_keeps_its_password(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"postgresql://thcore:hunter2@127.0.0.1:{free_port()}/builds"
    (place / "thcore.yaml").write_text(f"{CONFIG}history: {{url: '{url}'}}\n")

    for arguments in (("list",), ("show", "x")):
        code, out, err = called(*arguments, capsys=capsys)
        assert (code, out) == (ExitCode.UNAVAILABLE, "")
        assert "Error: the history (PostgreSQL database builds on 127.0.0.1) cannot be used: " in err
        assert "hunter2" not in err
        assert "Traceback" not in err


def test_a_verdict_of_every_kind_is_shown(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = (passing(), failing(), unverified(), cancelled())
    remembered(place, *(at(outcome, f"b{number}") for number, outcome in enumerate(outcomes)))

    for number, verdict in enumerate((Verdict.SUCCESS, Verdict.FAILURE, Verdict.UNVERIFIED, Verdict.CANCELLED)):
        assert f"\n{verdict.value} " in called("show", f"b{number}", capsys=capsys)[1]
