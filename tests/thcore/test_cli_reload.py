from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from thcore.cli import reload as command
from thcore.cli.main import main
from thcore.errors import ExitCode, InfrastructureError
from thcore.monitoring import door
from thcore.monitoring.metrics import Metrics
from thcore.monitoring.server import Server
from thcore.monitoring.status import Phase, Reading, Status
from thcore.monitoring.web import App

from parts.status import NOW, idle

pytestmark = pytest.mark.system

BEFORE = idle()


def configuration(state: Path) -> str:
    return f"directories: {{state: {state}}}\njobs: [{{name: gate, plugins: {{git: {{}}, shell: {{script: [ls]}}}}}}]"


def reloaded(directory: Path, status: Callable[[], Status], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Reload a worker that is in this process."""
    (directory / "thcore.yaml").write_text(configuration(directory))
    with (
        Server(App(status, lambda: True, Metrics(status)), door.listen(directory)),
        pytest.raises(SystemExit) as caught,
    ):
        main(["reload", "-c", str(directory / "thcore.yaml")])
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The signals that are sent, and nobody gets."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda process, number: sent.append((process, number)))
    return sent


@pytest.mark.parametrize(("taken", "code"), [(True, ExitCode.SUCCESS), (False, ExitCode.CONFIG)])
def test_it_ends_when_the_worker_has_read_its_configuration(
    taken: bool, code: ExitCode, asked: list[tuple[int, int]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def status() -> Status:
        return evolve(BEFORE, reading=Reading(NOW, taken)) if asked else BEFORE

    ended, out, err = reloaded(tmp_path, status, capsys)

    assert ended == code, err
    assert asked == [(os.getpid(), signal.SIGHUP)]
    assert ("The worker has taken it: 1 job." in out) == taken
    assert ("goes on as before" in err) == (not taken)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (evolve(BEFORE, phase=Phase.DRAINING), "is draining: it takes nothing new"),
        (evolve(BEFORE, reading=None), "the worker is thcore 0.1.0, which does not say what it has read; send SIGHUP"),
    ],
)
def test_a_worker_that_would_not_answer_is_not_asked(
    status: Status,
    said: str,
    asked: list[tuple[int, int]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended, _, err = reloaded(tmp_path, lambda: status, capsys)

    assert (ended, asked) == (ExitCode.UNAVAILABLE, [])
    assert said in err


def test_a_worker_that_never_says_that_it_is_done_is_not_waited_for_for_ever(
    asked: list[tuple[int, int]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(command, "PATIENCE_S", 0.0)

    ended, _, err = reloaded(tmp_path, lambda: BEFORE, capsys)

    assert ended == ExitCode.UNAVAILABLE
    assert len(asked) == 1
    assert "does not say that it is done; look at its log" in err


def test_a_process_of_somebody_else_cannot_be_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_process: int, _number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", refuse)

    ended, _, err = reloaded(tmp_path, lambda: BEFORE, capsys)

    assert ended == ExitCode.UNAVAILABLE
    assert "cannot be told: Operation not permitted" in err


def test_who_answers_in_another_container_is_not_sent_a_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere:
        """The kernel says 0 of a process that this one cannot see."""

        @staticmethod
        def unpack(_credentials: bytes) -> tuple[int, int, int]:
            return (0, 0, 0)

        size = 12

    with Server(App(idle, lambda: True, Metrics(idle)), door.listen(tmp_path)):
        assert door.process(tmp_path) == os.getpid()
        monkeypatch.setattr(door, "_CREDENTIALS", Elsewhere)
        with pytest.raises(InfrastructureError, match="runs in another container"):
            door.process(tmp_path)


def test_what_is_wrong_with_the_file_is_told_and_no_worker_is_looked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thcore.yaml").write_text("jobs: [{name: gate, plugins: {git: {branhc: x}, no_such: {}}}]")

    with pytest.raises(SystemExit) as caught:
        main(["reload", "-c", str(tmp_path / "thcore.yaml")])

    err = capsys.readouterr().err
    assert caught.value.code == ExitCode.CONFIG
    assert "branhc: unknown key" in err
    assert "no_such: no such plugin is installed" in err


def test_where_no_worker_runs_there_is_nothing_to_reload(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thcore.yaml").write_text(configuration(tmp_path))

    with pytest.raises(SystemExit) as caught:
        main(["reload", "-c", str(tmp_path / "thcore.yaml")])

    assert caught.value.code == ExitCode.UNAVAILABLE
    assert "no worker answers" in capsys.readouterr().err
