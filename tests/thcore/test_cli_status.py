from __future__ import annotations

import io
import json
import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import yaml
from attrs import evolve
from rich.console import Console

from thcore.cli import status as command
from thcore.cli.main import main
from thcore.cli.overview import line, overview
from thcore.errors import ExitCode, InfrastructureError
from thcore.monitoring import door
from thcore.monitoring.metrics import Metrics
from thcore.monitoring.server import Server
from thcore.monitoring.status import ServerStatus, Status
from thcore.monitoring.web import App

from parts.status import busy, hostile, idle, paused


@contextmanager
def answering(state: Path, status: Callable[[], Status]) -> Iterator[None]:
    """A worker that answers below ``state``."""
    with Server(App(status, lambda: True, Metrics(status)), door.listen(state)):
        yield
    door.remove(state)


def called(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["status", *(str(argument) for argument in arguments)])
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


def shown(status: Status, *, colours: bool = False, width: int = 160) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=colours, color_system="standard" if colours else None)
    console.print(overview(status), highlight=False)
    return stream.getvalue()


@pytest.mark.system
@pytest.mark.parametrize(
    ("status", "code"), [(idle(), ExitCode.SUCCESS), (busy(), ExitCode.SUCCESS), (paused(), ExitCode.NOT_READY)]
)
def test_the_exit_code_says_whether_builds_are_taken(
    status: Status, code: ExitCode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(tmp_path, lambda: status):
        found, out, err = called("--state", tmp_path, capsys=capsys)

    assert (found, err) == (code, "")
    assert out.startswith("ready gate-1-998" if status.ready else "not ready gate-1-998")


@pytest.mark.system
def test_as_json_it_is_the_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(tmp_path, paused):
        code, out, _ = called("--state", tmp_path, "--json", capsys=capsys)

    plain = json.loads(out)
    assert code == ExitCode.NOT_READY
    assert (plain["phase"], plain["ready"], len(plain["builds"])) == ("paused", False, 2)


@pytest.mark.system
def test_the_worker_of_the_configuration_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "state"
    state.mkdir()
    content = {
        "directories": {"state": "state"},
        "jobs": [{"name": "gate", "plugins": {"shell": {"script": ["true"]}}}],
    }
    (tmp_path / "thcore.yaml").write_text(yaml.safe_dump(content))

    with answering(state, idle):
        code, out, _ = called("-c", tmp_path / "thcore.yaml", capsys=capsys)

    assert code == 0
    assert "gate-1-998" in out


def test_when_no_worker_answers_it_says_which_socket_and_exits_with_69(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = called("--state", tmp_path, capsys=capsys)
    assert (code, out) == (ExitCode.UNAVAILABLE, "")
    assert (
        err
        == f"no worker answers: there is no {tmp_path}/status.sock; is it running, and is directories.state right?\n"
    )

    door.listen(tmp_path).close()
    code, _, err = called("--state", tmp_path, capsys=capsys)
    assert code == ExitCode.UNAVAILABLE
    assert "the one that made it has died" in err


@pytest.mark.system
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_the_worker_of_another_user_is_not_told_and_whose_it_is_is_said(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from thcore.monitoring import door\n"  # before: the interpreter may lie where others cannot read it
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: door.ask(Path(sys.argv[1]))\n"
        "except door.InfrastructureError as error: print(error)\n"
    )
    with closing(door.listen(tmp_path)) as listener:
        listener.listen()
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
        )

    owner = pwd.getpwuid(os.geteuid()).pw_name
    assert (
        done.stdout == f"the worker at {tmp_path}/status.sock answers its own user only; ask as {owner}, or as root\n"
    )


def test_the_overview_has_every_part() -> None:
    text = " ".join(shown(busy()).split())

    for told in ("2 of 4 busy", "zuul-b.example.org:4730 not connected for 5 m 40 s: connection refused", "2 results"):
        assert told in text
    for told in ("the oldest for 10 m 10 s", "Quarantine 1", "Refused 3", "/srv/logs (publishing): 0 B free"):
        assert told in text
    for told in ("openstack/nova 123456,3", "execute", "dataset user_001, 229 of 240", "87", "12 m 34 s", "attempt 2"):
        assert told in text
    for told in ("UNVERIFIED", "The server would not start", "https://logs.example.org/2/", "1 m 33 s", "2 h 30 m ago"):
        assert told in text


def test_what_keeps_builds_away_stands_at_the_top_in_red() -> None:
    first, second, *_ = shown(paused(), colours=True).splitlines()

    assert "\x1b[1;31mnot ready\x1b[0m" in first
    assert second == "\x1b[1;31m  /var/lib/thcore has 0.4 GiB left, less than 2 GiB\x1b[0m"


def test_a_server_that_is_connected_and_deaf_is_red() -> None:
    deaf = evolve(idle(), servers=(ServerStatus("a:1", connected=True, problem="knows nothing"),))

    assert "a:1 \x1b[31mconnected\x1b[0m: knows nothing" in shown(deaf, colours=True)


def test_an_idle_worker_fits_into_a_few_lines() -> None:
    assert len(shown(idle()).splitlines()) == 6


@pytest.mark.parametrize("width", [40, 80, 160])
def test_what_others_have_written_neither_steers_the_terminal_nor_is_taken_for_markup(width: int) -> None:
    text = shown(hostile(), width=width)

    assert all(char.isprintable() for char in text.replace("\n", ""))
    assert "[bold]x[/bold]" in line(hostile())
    assert line(hostile()).isprintable()
    if width == 160:
        assert "\\x1b[2J<script>alert(1)</script> [bold]x[/bold]\\nready: 1 \\u202e" in text


# Watching.


class Life:
    """A worker as it is asked again and again; Ctrl-C comes after the last answer."""

    def __init__(self, *answers: Status | InfrastructureError) -> None:
        self._answers = iter(answers)

    def ask(self, _state: Path) -> Status:
        answer = next(self._answers, None)
        if answer is None:
            raise KeyboardInterrupt
        if isinstance(answer, InfrastructureError):
            raise answer
        return answer


GONE = InfrastructureError("no worker answers at /s/status.sock")


@pytest.fixture
def watched(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, list[str]]]:
    def watch(*answers: Status | InfrastructureError, options: tuple[str, ...] = ()) -> tuple[int, list[str]]:
        monkeypatch.setattr(command, "EVERY_S", 0.0)
        monkeypatch.setattr(door, "ask", Life(*answers).ask)
        code, out, _ = called("--state", "/s", "--watch", *options, capsys=capsys)
        return code, out.splitlines()

    return watch


def test_whoever_watches_sees_the_worker_go_and_come_back(watched: Callable[..., tuple[int, list[str]]]) -> None:
    code, out = watched(idle(), idle(), GONE, GONE, busy())

    assert code == ExitCode.SUCCESS
    told = [line.split(" ", 1)[1] for line in out]
    assert told == [line(idle()), "no worker answers at /s/status.sock", line(busy())]
    assert told[0] == "gate-1-998: serving, ready; 0 of 2 slots busy; servers 1 of 1"


@pytest.mark.parametrize(
    ("last", "code"), [(idle(), ExitCode.SUCCESS), (paused(), ExitCode.NOT_READY), (GONE, ExitCode.UNAVAILABLE)]
)
def test_at_the_end_the_exit_code_is_that_of_the_last_answer(
    watched: Callable[..., tuple[int, list[str]]], last: Status | InfrastructureError, code: ExitCode
) -> None:
    assert watched(idle(), last)[0] == code


def test_programs_that_watch_get_one_document_per_line(watched: Callable[..., tuple[int, list[str]]]) -> None:
    _, out = watched(idle(), GONE, options=("--json",))

    assert [json.loads(text)["ready"] for text in out] == [True, False]
    assert json.loads(out[1])["not_ready"] == ["no worker answers at /s/status.sock"]


def test_on_a_terminal_the_picture_is_drawn_over(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120, height=50)
    monkeypatch.setattr(command, "EVERY_S", 0.0)
    life = Life(busy(), GONE, paused())

    code = command._watch(lambda: life.ask(Path()), console, as_json=False)

    text = stream.getvalue()
    assert code == ExitCode.NOT_READY
    assert text.startswith("\x1b[?1049h")
    assert text.endswith("\x1b[?25h") or "\x1b[?1049l" in text
    assert text.index("openstack/nova") < text.index("no worker answers") < text.index("not ready")


@pytest.mark.system
def test_a_real_worker_is_watched_until_ctrl_c(tmp_path: Path) -> None:
    watcher = subprocess.Popen(
        [sys.executable, "-m", "thcore.cli.main", "status", "--state", str(tmp_path), "--watch"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert watcher.stdout is not None
    with watcher, watcher.stdout:
        assert "no worker answers" in watcher.stdout.readline()
        with answering(tmp_path, busy):
            assert "serving, ready" in watcher.stdout.readline()
        assert "no worker answers" in watcher.stdout.readline()
        watcher.send_signal(2)
        assert watcher.wait(30) == ExitCode.UNAVAILABLE
