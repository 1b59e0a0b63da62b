"""A command that a plugin adds finds its options and state, and can do a build."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import termios
from pathlib import Path

import click
import psutil
import pytest
from click.testing import CliRunner

from thcore.builtin.lock import locked
from thcore.errors import ExitCode
from thcore.hooks import Premises, with_premises
from thcore.testing.repository import Repository

from parts.distribution import site

MAIN = (sys.executable, "-m", "thcore.cli.main")
CONFIG = """
directories: {{state: {path}/state}}
jobs:
  - name: gate
    timeout: 1m
    plugins: {{git: {{base_url: {path}/origin}}, shell: {{script: ["true"]}}, tidy: {{limit: 7}}}}
  - name: others
    plugins: {{git: {{base_url: {path}/origin}}, shell: {{script: ["true"]}}}}
plugins:
  tidy: {{mood: grim}}
"""
TIDY = '''\
import os
import signal
import sys
import click
from attrs import frozen
from thcore.hooks import Premises, hookimpl, json_option, option, with_premises
from thcore.model import Change, ChangeKind, Command, Progress, Revision

@frozen
class Options:
    limit: int = option("How far.", default=1)

@frozen
class Settings:
    mood: str = option("How it feels.", default="good")

TALKER = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
print("ready")
if sys.stdin.isatty():
    signal.sigwait({signal.SIGINT})  # a handler would not be called until input() has got something
    print("hit")
print("said", input())
input()
sys.exit(5)
"""

@click.command()
@click.argument("what")
@json_option
@with_premises("tidy")
def tidy(premises: Premises, what: str, *, as_json: bool) -> int:
    "Tidy up."
    click.echo(f"{what} {as_json} {premises.settings.mood} {premises.state.is_dir()}")
    click.echo(repr({job: options.limit for job, options in premises.jobs.items()}))
    with premises.build("gate", Change("example/shop", ChangeKind.BRANCH)) as build:
        build.emit(Progress("tidying", 1, 2))
        source = build.provision(Revision(branch="main")).checkout.path
        click.echo((source / "README").read_text().strip())
        if what == "talk":
            build.emit(Progress("talking", 2, 2))
            result = premises.foreground(Command((sys.executable, "-uc", TALKER)))
            click.echo(f"{result.reason()} {build.remaining_s() > 50}")
            build.check()
            return 0
        click.echo(f"{build.settings.mood} {build.state == premises.state} {build.remaining_s() > 50}")
        if what == "end":
            os.kill(os.getpid(), signal.SIGTERM)
            build.run(Command(("sleep", "60")))
        if what == "die":
            with build.service(Command(("sleep", "1000")), log=build.workspace.temporary / "log") as sleeper:
                click.echo(sleeper.pid)
                sys.stdout.flush()
                os.kill(os.getpid(), signal.SIGKILL)
        if what == "break":
            raise ValueError("no")
    return 3

class Tidy:
    @hookimpl
    def thcore_job_options(self): return Options
    @hookimpl
    def thcore_settings(self): return Settings
    @hookimpl
    def thcore_commands(self): return [tidy]
    @hookimpl
    def thcore_cleanup(self, attempt): print(attempt.build_id, file=(attempt.state / "cleaned").open("a"))

plugin = Tidy()
'''


def called(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(path / "site"), "COLUMNS": "100"}
    command = (*MAIN, "tidy", *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "thcore.yaml").write_text(CONFIG.format(path=tmp_path))
    Repository(tmp_path / "origin" / "example" / "shop", {"README": "first\n"})
    with site(tmp_path / "site") as made:
        made.plugin("tidy", TIDY)
    return tmp_path


def test_a_command_has_its_plugins_options_settings_state_and_a_build_of_a_job(place: Path) -> None:
    done = called(place, "it", "--json", "-c", str(place / "thcore.yaml"))
    assert done.stdout.splitlines() == ["it True grim True", "{'gate': 7}", "first", "grim True True"], done.stderr
    assert done.returncode == 3
    assert "tidying (1/2)" in done.stderr
    assert not list((place / "state" / "run").iterdir())
    assert (place / "state" / "plugins" / "tidy" / "cleaned").exists()


def test_a_build_of_a_command_ends_with_a_signal_and_leaves_nothing(place: Path) -> None:
    done = called(place, "end", "-c", str(place / "thcore.yaml"))
    assert done.returncode == ExitCode.CANCELLED, done.stderr
    assert "SIGTERM" in done.stderr
    assert not list((place / "state" / "run").iterdir())


def test_a_command_that_breaks_is_a_fault_and_its_build_is_put_away(place: Path) -> None:
    done = called(place, "break", "-c", str(place / "thcore.yaml"))
    assert done.returncode == ExitCode.INTERNAL
    assert "ValueError: no" in done.stderr
    assert "failed" in done.stderr
    assert not list((place / "state" / "run").iterdir())


def test_what_a_killed_command_has_left_is_put_away_by_the_next_one(place: Path) -> None:
    killed = called(place, "die", "-c", str(place / "thcore.yaml"))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    sleeper = psutil.Process(int(killed.stdout.splitlines()[-1]))
    assert sleeper.name() == "sleep"
    runs, cleaned = place / "state" / "run", place / "state" / "plugins" / "tidy" / "cleaned"
    assert list(runs.iterdir())
    assert not cleaned.exists()
    living = runs / "living"
    living.mkdir()
    (runs / "odd.owner").mkdir()

    with locked(runs / "living.owner", lambda: None):
        done = called(place, "it", "-c", str(place / "thcore.yaml"))

    assert done.returncode == 3, done.stderr
    assert {path.name for path in runs.iterdir()} == {"living", "living.owner", "odd.owner"}
    assert cleaned.read_text().split()[0] != cleaned.read_text().split()[1], "the killed one's, and its own"
    assert not sleeper.is_running() or sleeper.status() == psutil.STATUS_ZOMBIE


def test_a_command_may_hand_standard_input_and_output_to_a_program(place: Path) -> None:
    command = (*MAIN, "tidy", "talk", "-c", str(place / "thcore.yaml"))
    environment = {**os.environ, "PYTHONPATH": str(place / "site")}
    done = subprocess.run(
        command, input="hello\nbye\n", capture_output=True, text=True, check=False, env=environment, timeout=60
    )
    assert done.stdout.splitlines()[-3:] == ["ready", "said hello", "exit status 5 True"], done.stderr
    assert done.returncode == 0


def test_a_program_that_was_handed_the_terminal_has_its_keys_and_the_build_goes_on(place: Path) -> None:
    controller, terminal = os.openpty()
    attributes = termios.tcgetattr(terminal)
    attributes[3] |= termios.NOFLSH  # or what the program says at once when the key reaches it may be dropped with it
    termios.tcsetattr(terminal, termios.TCSANOW, attributes)
    environment = {**os.environ, "PYTHONPATH": str(place / "site"), "TERM": "xterm"}
    command = ("setsid", "--ctty", "--wait", *MAIN, "tidy", "talk", "-c", str(place / "thcore.yaml"))
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment) as running:
        os.close(terminal)
        shown = b""
        for word, answer in ((b"ready", b"\x03"), (b"hit", b"hello\n"), (b"said hello", b"bye\n")):
            while word not in shown:
                shown += os.read(controller, 4096)
            os.write(controller, answer)
        while b"exit status 5 True" not in shown:
            shown += os.read(controller, 4096)
        assert running.wait(60) == 0
    os.close(controller)
    assert not list((place / "state" / "run").iterdir())


def test_a_wrong_configuration_is_told_as_by_every_command(place: Path) -> None:
    (place / "thcore.yaml").write_text("jobs: 5")
    done = called(place, "it", "-c", str(place / "thcore.yaml"))
    assert done.returncode == ExitCode.CONFIG
    assert "thcore.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_that_is_not_called_through_thcore_says_so() -> None:
    @click.command()
    @with_premises("tidy")
    def lonely(premises: Premises) -> None:
        "Never called."

    result = CliRunner().invoke(lonely, [])
    assert result.exit_code == 2
    assert "below thcore only" in result.output


def test_the_configuration_can_be_named_in_the_environment(place: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(place / "site"), "THCORE_CONFIG": str(place / "thcore.yaml")}
    done = subprocess.run(
        (*MAIN, "tidy", "it"), capture_output=True, text=True, check=False, env=environment, timeout=60
    )
    assert done.stdout.startswith("it False grim True\n"), done.stderr
