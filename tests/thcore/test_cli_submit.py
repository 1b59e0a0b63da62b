from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from thcore.cli.main import main
from thcore.errors import ConfigError, ExitCode
from thcore.gearman import zuul
from thcore.gearman.client import Submission, SubmissionEvent, SubmissionEventKind
from thcore.gearman.embedded import EmbeddedServer
from thcore.gearman.link import Link
from thcore.gearman.zuul import Reply
from thcore.testing.ports import free_port

pytestmark = pytest.mark.system

SUBMIT = ("submit", "gate-shop", "--project", "example/shop", "--branch", "main")
TIMEOUT_S = 20.0


class Worker:
    """Answers one build with a result and a summary, or leaves the server without an answer."""

    def __init__(self, address: str, result: str | None, summary: str = "", *, url: str | None = None) -> None:
        self.requests: list[Any] = []
        self._values = {"name": "gate-shop", "manager": "host-a", "result": result, "summary": summary}
        self._url = url
        self._link = Link([address], "host-a", on_stop=lambda _number: None)
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        delivery = self._link.take()
        if delivery is None:
            return
        self.requests.append(zuul.parse(delivery.function, delivery.unique, delivery.arguments))
        delivery.begin(zuul.started(delivery.unique, "gate-shop", "host-a", None, url=self._url))
        delivery.status(1, 2)
        values = {**self._values, "number": delivery.unique, "url": self._url}
        delivery.finish(Reply(json.dumps(values).encode(), complete=self._values["result"] is not None))

    def __enter__(self) -> Worker:  # noqa: PYI034 - no subclass
        assert self._link.start(zuul.functions("gate-shop", []))
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._thread.join(TIMEOUT_S)
        self._link.close()


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as running:
        yield running


def called(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, " ".join(err.split())


@pytest.mark.parametrize(
    ("result", "code", "said"),
    [
        ("SUCCESS", ExitCode.SUCCESS, "SUCCESS well done"),
        ("FAILURE", ExitCode.FAILURE, "FAILURE well done"),
        ("ABORTED", ExitCode.CANCELLED, "ABORTED"),
        (None, ExitCode.UNVERIFIED, "no result: Zuul would launch it again"),
    ],
)
def test_a_build_is_followed_to_its_result(
    server: EmbeddedServer, capsys: pytest.CaptureFixture[str], result: str | None, code: int, said: str
) -> None:
    with Worker(server.address, result, "well done", url="https://logs.example.org/1/") as worker:
        found, out, err = called(*SUBMIT, "--server", server.address, capsys=capsys)
    assert (found, out) == (code, "")
    assert said in err
    assert "started on host-a" in err
    assert "50 %" in err
    assert "Evidence: https://logs.example.org/1/" in err
    (request,) = worker.requests
    assert (request.change.project, request.change.branch) == ("example/shop", "main")


def test_as_json_every_event_is_one_line(server: EmbeddedServer, capsys: pytest.CaptureFixture[str]) -> None:
    with Worker(server.address, "SUCCESS"):
        code, out, err = called(*SUBMIT, "--server", server.address, "--json", capsys=capsys)
    assert (code, err) == (0, "")
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events][:2] == ["created", "started"]
    assert {"event": "status", "done": 1, "total": 2} in events
    assert events[-1]["event"] == "ended"
    assert events[-1]["result"] == "SUCCESS"


def test_what_a_worker_says_neither_steers_the_terminal_nor_is_taken_for_markup(
    server: EmbeddedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with Worker(server.address, "SUCCESS", "\x1b[2J [/red] [bold]x[/bold]", url="https://x/\x1b[2J"):
        code, _, err = called(*SUBMIT, "--server", server.address, capsys=capsys)
    assert code == 0
    assert "\x1b" not in err
    assert "\\x1b[2J [/red] [bold]x[/bold]" in err


def test_the_server_of_the_configuration_is_the_default(
    server: EmbeddedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "thcore.yaml"
    config.write_text(f"gearman: {{servers: ['{server.address}']}}\njobs: [{{name: x, plugins: {{git: {{}}}}}}]\n")
    code, out, _ = called(*SUBMIT, "-c", str(config), "--no-follow", capsys=capsys)
    assert code == 0
    assert out.strip()


def test_a_configuration_that_is_named_must_be_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "thcore.yaml"
    config.write_text("gearman: {servers: [a b]}\n")
    code, _, err = called(*SUBMIT, "-c", str(config), capsys=capsys)
    assert code == ExitCode.CONFIG
    assert "gearman.servers" in err


def test_without_a_configuration_the_usual_address_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def nowhere(_file: object) -> None:
        raise ConfigError("there is no configuration")

    def offered(address: str, _job: str, **_options: object) -> bool:
        asked.append(address)
        raise ConfigError("enough")

    monkeypatch.setattr("thcore.cli.submit.read_config", nowhere)
    monkeypatch.setattr("thcore.gearman.client.offered", offered)
    called(*SUBMIT, capsys=capsys)
    assert asked == ["127.0.0.1:4730"]


def test_ctrl_c_asks_the_worker_to_stop_and_says_so(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_self: Submission, _timeout_s: float | None = None) -> Iterator[SubmissionEvent]:
        yield SubmissionEvent(SubmissionEventKind.CREATED)
        raise KeyboardInterrupt

    monkeypatch.setattr(Submission, "events", interrupted)
    code, _, err = called(*SUBMIT, "--server", server.address, capsys=capsys)
    assert code == ExitCode.CANCELLED
    assert "No worker has it yet; it stays in the queue." in err
    monkeypatch.setattr(Submission, "stop", lambda _self: True)
    code, _, err = called(*SUBMIT, "--server", server.address, capsys=capsys)
    assert code == ExitCode.CANCELLED
    assert err.endswith("Cancelled.")


def test_a_server_that_goes_away_meanwhile_exits_with_69(capsys: pytest.CaptureFixture[str]) -> None:
    running = EmbeddedServer(free_port())
    running.start()
    answers: list[tuple[int, str, str]] = []

    class Leaving(Worker):
        def _work(self) -> None:
            self._link.take()
            threading.Thread(target=running.stop).start()

    with Leaving(running.address, None):
        answers.append(called(*SUBMIT, "--server", running.address, capsys=capsys))
    code, _, err = answers[0]
    assert code == ExitCode.UNAVAILABLE, err
    assert "is lost; the build may still be running" in err
