"""What `thcore history` tells of a job; no worker runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from thcore.cli.main import cli, main
from thcore.errors import ExitCode
from thcore.history.database import address
from thcore.history.store import History
from thcore.history.upgrade import upgrade
from thcore.model import Answered

from parts import outcomes
from parts.builds import JOB, build
from parts.history import configuration

CONFIG = "directories: {state: state}\njobs: [{name: gate, plugins: {shell: {script: [make]}}}]\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a configuration and a history of three builds, as the working directory."""
    (tmp_path / "thcore.yaml").write_text(CONFIG)
    (tmp_path / "state").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("THCORE_CONFIG", raising=False)
    url = address(configuration(tmp_path / "state"))
    upgrade(url)
    history = History.open(url)
    for number in range(3):
        history.record(build(outcomes.passing(), number, factor=number + 1.0), answered=Answered.YES)
    history.close()
    return tmp_path


def called(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["history", *arguments])
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


def test_the_help_fits_a_terminal_and_has_an_example() -> None:
    output = CliRunner().invoke(cli, ["history", "--help"], terminal_width=80, prog_name="thcore").output
    assert [line for line in output.splitlines() if len(line) > 80] == []
    assert "Example: thcore history" in output


def test_each_step_is_told_with_what_it_cost_then_and_now(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = called(JOB, capsys=capsys)

    assert (code, err) == (0, "")
    assert f"{JOB}: 3 builds since 2026-03-14" in out
    assert "b5d083fa1c46 Add orders.archived_at and index it (shop-mariadb on MariaDB 10.11.6)" in out
    assert "  time, newest: 1 m 29 s; median of the 2 before: 45 s; limit: 2 m 00 s" in out
    assert "12 more steps are left out." in out
    assert out.count("SUCCESS") == 3
    assert "\x1b" not in out


def test_the_page_is_written_where_it_is_wanted(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(JOB, "--html", "page.html", "--limit", "2", capsys=capsys) == (0, "", "")

    page = (place / "page.html").read_text()
    assert page.count('<svg class="chart"') > 12
    assert "https://logs.example.org/2/" in page
    assert "https://logs.example.org/0/" not in page


def test_as_json_there_is_all_that_the_page_is_made_of(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(called(JOB, "--json", capsys=capsys)[1])

    assert [attempt["build"] for attempt in told["attempts"]] == ["b2", "b1", "b0"]
    assert told["attempts"][0]["datasets"][0]["steps"][-1]["limits"][0]["maximum"] == 120.0


def test_a_job_that_is_not_remembered_is_named_with_what_to_do(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = called("gate", capsys=capsys)

    assert (code, out) == (ExitCode.USAGE, "")
    assert "the history has no build of a job 'gate'; `thcore builds` lists those that it has" in err


def test_a_page_that_cannot_be_written_is_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = called(JOB, "--html", "nowhere/page.html", capsys=capsys)

    assert code == ExitCode.USAGE
    assert "nowhere/page.html cannot be written: No such file or directory" in err
