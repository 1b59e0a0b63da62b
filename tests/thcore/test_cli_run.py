from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from thcore.cli.run import run
from thcore.errors import ExitCode
from thcore.model.document import from_json
from thcore.testing.repository import Repository

from parts.distribution import Site

MAIN = (sys.executable, "-m", "thcore.cli.main")
REF = "refs/changes/45/12345/1"

CONFIG = """
directories: {{state: {state}}}
secrets: {{upload: hunter2-hunter2}}
jobs:
  - name: gate
    plugins:
      git: {{base_url: {origin}}}
      shell: {{script: [./check.sh]}}
      exit_status: {{}}
"""


class Place:
    """A configuration with one job, and the project that it is for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.repository = Repository(path / "origin" / "example" / "shop", {"README": "first\n"})
        self.config = path / "thcore.yaml"
        self.config.write_text(CONFIG.format(state=path / "state", origin=path / "origin"))

    def change(self, script: str) -> None:
        check = self.repository.path / "check.sh"
        self.repository.git("checkout", "--quiet", "--detach", "main")
        check.write_text(f"#!/bin/sh\n{script}\n")
        check.chmod(0o755)
        self.repository.commit({}, "change")
        self.repository.git("update-ref", REF, "HEAD")
        self.repository.git("checkout", "--quiet", "main")

    def arguments(self, *more: str, ref: str = REF) -> tuple[str, ...]:
        what = ("gate", "--project", "example/shop", "--branch", "main", "--ref", ref)
        return (*MAIN, "run", *what, "--source", str(self.path / "origin"), "-c", str(self.config), *more)

    def run(self, *more: str, ref: str = REF, path: str = "") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COLUMNS": "100", "PYTHONPATH": path}
        command = self.arguments(*more, ref=ref)
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.system
def test_a_change_that_passes_exits_with_0_and_leaves_no_workspace(place: Place) -> None:
    place.change("echo all is well; echo 3 checks passed > $THCORE_RESULT_FILE")
    done = place.run()
    assert done.returncode == ExitCode.SUCCESS, done.stdout + done.stderr
    assert "SUCCESS 3 checks passed" in done.stdout
    assert "execute: ok" in done.stdout
    assert list((place.path / "state" / "run").iterdir()) == []


@pytest.mark.system
def test_a_change_that_fails_exits_with_1_and_says_why(place: Place) -> None:
    place.change("echo the reason; exit 3")
    done = place.run()
    assert done.returncode == ExitCode.FAILURE
    assert "FAILURE" in done.stdout
    assert "the reason" in done.stdout


@pytest.mark.system
def test_what_could_not_be_measured_exits_with_2(place: Place) -> None:
    place.change("kill -9 $$")
    done = place.run()
    assert done.returncode == ExitCode.UNVERIFIED, done.stdout + done.stderr
    assert "UNVERIFIED" in done.stdout


@pytest.mark.system
def test_a_ref_that_does_not_exist_is_a_verdict_and_no_traceback(place: Place) -> None:
    done = place.run(ref="refs/changes/99/99/9")
    assert done.returncode in {ExitCode.FAILURE, ExitCode.UNVERIFIED}
    assert "Traceback" not in done.stdout + done.stderr
    assert "refs/changes/99/99/9" in done.stdout


@pytest.mark.system
def test_json_prints_the_result_and_nothing_else_on_standard_output(place: Place) -> None:
    place.change("printf 'x' > \"$LOG_DIR/$(printf 'caf\\351').txt\"; echo visible; exit 1")
    done = place.run("--json", "--keep")
    assert done.returncode == ExitCode.FAILURE
    outcome = from_json(done.stdout)
    assert outcome.verdict.value == "FAILURE"
    assert "caf?.txt" in outcome.artifacts
    assert "Workspace: " in done.stderr
    kept = Path(done.stderr.partition("Workspace: ")[2].strip())
    assert from_json((kept / "artifacts" / "result.json").read_text()) == outcome


@pytest.mark.system
def test_sigterm_cancels_the_build_and_ends_its_programs(place: Place) -> None:
    started = place.path / "started"
    place.change(f"mkfifo {started}.pipe; echo $$ > {started}; cat {started}.pipe")
    os.mkfifo(f"{started}")
    process = subprocess.Popen(place.arguments(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    pid = int(started.read_text())  # blocks until the script has begun
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == ExitCode.CANCELLED, output
    assert "CANCELLED Cancelled: SIGTERM" in output
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.system
def test_an_option_of_the_command_line_counts_for_this_build(place: Place) -> None:
    place.change("echo the reason; exit 3")
    done = place.run("--option=shell.script=[echo, all is well]")
    assert done.returncode == ExitCode.SUCCESS, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("shell", "'shell' is not PLUGIN.OPTION=VALUE"),
        ("shell=1", "'shell=1' is not PLUGIN.OPTION=VALUE"),
        ("dbmigration.canary=true", "the job has no plugin 'dbmigration'; it has git, shell, exit_status"),
        ("shell.script=\udcff", "what is written for 'shell.script' is not UTF-8 text"),
        ("shell.scripts=x", "--option: shell.scripts: unknown key; did you mean script?"),
    ],
)
def test_an_option_that_there_is_not_is_refused_before_anything_is_done(place: Place, given: str, told: str) -> None:
    with pytest.raises(click.UsageError) as refused:
        run.main(place.arguments(f"--option={given}")[len(MAIN) + 1 :], standalone_mode=False)
    assert told in refused.value.format_message()
    assert not (place.path / "state" / "run").exists()


@pytest.mark.system
def test_logs_cannot_steer_the_terminal(place: Place) -> None:
    place.change("printf 'evil \\033]0;owned\\007 \\033[2J [bold]text[/bold] [/red]\\n'; exit 1")
    done = place.run()
    assert done.returncode == ExitCode.FAILURE, done.stdout + done.stderr
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout
    assert "]0;owned" in done.stdout
    assert "[bold]text[/bold] [/red]" in done.stdout


@pytest.mark.system
def test_a_plugin_whose_cleanup_breaks_does_not_change_the_verdict(place: Place) -> None:
    Site(place.path / "site").plugin(
        "messy",
        "from thcore.hooks import hookimpl\nclass Messy:\n    @hookimpl\n"
        "    def thcore_cleanup(self): raise OSError('busy')\nplugin = Messy()\n",
    )
    place.config.write_text(place.config.read_text() + "      messy: {}\n")
    place.change("exit 0")
    done = place.run(path=str(place.path / "site"))
    assert done.returncode == ExitCode.SUCCESS, done.stdout + done.stderr
    assert "Warning: plugin messy (acme-messy 1.2.3), thcore_cleanup raised OSError: busy" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.system
@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--nosuch",), "No such option"),
        (("--commit", "nonsense"), "commit"),
        (("--project", "../../etc"), "project"),
        (("--ref", "--upload-pack=x"), "ref"),
    ],
)
def test_a_wrong_command_line_exits_with_64(place: Place, more: tuple[str, ...], said: str) -> None:
    done = place.run(*more)
    assert done.returncode == ExitCode.USAGE, done.stdout + done.stderr
    assert said in done.stderr.lower() or said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.system
def test_an_unknown_job_and_nothing_to_test_are_usage_errors(place: Place) -> None:
    command: list[Any] = [*MAIN, "run", "gte", "--project", "example/shop", "--branch", "main", "-c", place.config]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.USAGE
    assert "no job 'gte' in the configuration; it has gate" in done.stderr
    command = [*MAIN, "run", "gate", "--project", "example/shop", "-c", place.config]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.USAGE
    assert "say what to test: --branch main" in done.stderr


@pytest.mark.system
def test_a_wrong_configuration_exits_with_78_and_lists_every_problem(place: Place) -> None:
    text = place.config.read_text().replace("script:", "scrpt:") + "      nonsuch: {}\n"
    place.config.write_text(text)
    done = place.run()
    assert done.returncode == ExitCode.CONFIG
    assert done.stdout == ""
    assert "did you mean script?" in done.stderr
    assert "nonsuch: no such plugin is installed" in done.stderr
    assert all(line.startswith(("Error: ", "In the documentation: ")) for line in done.stderr.splitlines())
    assert "hunter2" not in done.stderr


@pytest.mark.system
def test_a_reader_that_has_seen_enough_is_no_error(place: Place) -> None:
    script = f"{sys.executable} -m thcore.cli.main config show -c {place.config} | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


def test_the_json_of_a_result_is_one_document(place: Place) -> None:
    place.change("exit 0")
    data = json.loads(place.run("--json").stdout)
    assert data["job"] == "gate"
    assert data["change"]["project"] == "example/shop"
