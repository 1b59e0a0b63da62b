from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from thcore.errors import InfrastructureError
from thcore.gearman import admin, zuul
from thcore.gearman.client import Submission, SubmissionEventKind, offered, zuul_parameters
from thcore.gearman.embedded import EmbeddedServer
from thcore.gearman.link import Link
from thcore.gearman.zuul import Reply
from thcore.model import ChangeKind
from thcore.testing.gearmand import Gearmand
from thcore.testing.ports import free_port

pytestmark = pytest.mark.system

TIMEOUT_S = 20.0


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as running:
        yield running


class Worker:
    """Takes one build, and answers it when told to stop or at once."""

    def __init__(self, address: str, *, wait_for_stop: bool) -> None:
        self.stopped = threading.Event()
        self.stops: list[str] = []
        self.requests: list[Any] = []
        self._wait = wait_for_stop
        self.link = Link([address], "host-a", on_stop=self._stop)
        self._thread = threading.Thread(target=self._work)

    def _stop(self, number: str) -> None:
        self.stops.append(number)
        self.stopped.set()

    def _work(self) -> None:
        delivery = self.link.take()
        if delivery is None:
            return
        self.requests.append(zuul.parse(delivery.function, delivery.unique, delivery.arguments))
        delivery.begin(zuul.started(delivery.unique, "j1", "host-a", None, url="http://logs/1"))
        if self._wait:
            self.stopped.wait(TIMEOUT_S)
        values = {"name": "j1", "number": delivery.unique, "manager": "host-a", "result": "SUCCESS"}
        delivery.finish(Reply(json.dumps(values).encode(), complete=True))

    def __enter__(self) -> Worker:  # noqa: PYI034 -- no subclass
        assert self.link.start(zuul.functions("j1", ["n1"]))
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.link.close()
        self._thread.join(TIMEOUT_S)


def test_a_submitted_build_is_followed_from_the_queue_to_its_result(server: EmbeddedServer) -> None:
    parameters = zuul_parameters("demo/app", job="j1", branch="main")
    with (
        Worker(server.address, wait_for_stop=False) as worker,
        Submission(server.address, "j1", parameters, node="n1") as submission,
    ):
        events = list(submission.events(TIMEOUT_S))

        kinds = SubmissionEventKind
        assert [event.kind for event in events] == [
            kinds.CREATED,
            kinds.STARTED,
            kinds.STATUS,
            kinds.DATA,
            kinds.ENDED,
        ]
        assert (events[2].numerator, events[2].denominator) == (0, 100)
        assert events[-1].result == "SUCCESS"
        assert events[-1].data["number"] == submission.unique == parameters["ZUUL_UUID"]
        assert worker.requests[0].change.branch == "main"


def test_a_submitted_build_can_be_stopped_once_it_has_started(server: EmbeddedServer) -> None:
    with Submission(server.address, "j1", zuul_parameters("demo/app", job="j1", branch="main")) as submission:
        created = next(submission.events(TIMEOUT_S))
        assert created.kind is SubmissionEventKind.CREATED
        assert not submission.stop(), "no worker has it yet"
        with Worker(server.address, wait_for_stop=True) as worker:
            for event in submission.events(TIMEOUT_S):
                if event.kind is SubmissionEventKind.STARTED:
                    assert (submission.manager, submission.url) == ("host-a", "http://logs/1")
                    assert submission.stop()

            assert worker.stops == [submission.unique]


def test_following_can_be_left_and_taken_up_again(server: EmbeddedServer) -> None:
    with Submission(server.address, "j1", zuul_parameters("demo/app", job="j1", branch="main")) as submission:
        assert [event.kind.value for event in submission.events(0.05)] == ["created"]
        assert list(submission.events(0.01)) == []
        with Worker(server.address, wait_for_stop=False):
            assert [event.kind.value for event in submission.events(TIMEOUT_S)][-1] == "ended"


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    address = f"127.0.0.1:{free_port()}"

    for ask in (lambda: Submission(address, "j1", {}).__enter__(), lambda: offered(address, "j1")):
        with pytest.raises(InfrastructureError, match=address) as caught:
            ask()
        assert caught.value.code == "gearman-unreachable"


def test_a_server_that_is_no_gearman_server_is_told_after_the_timeout(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "gear")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"

        for ask in (
            lambda: Submission(address, "j1", {}, timeout_s=0.2).__enter__(),
            lambda: admin.status(address, timeout_s=0.2),
        ):
            with pytest.raises(InfrastructureError, match=address) as caught:
                ask()
            assert caught.value.code == "gearman-unreachable"


def test_a_server_that_hangs_up_is_no_gearman_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as rude:

        def answer() -> None:
            rude.accept()[0].close()

        hang_up = threading.Thread(target=answer)
        hang_up.start()

        with pytest.raises(InfrastructureError) as caught:
            admin.status(f"127.0.0.1:{rude.getsockname()[1]}")

        hang_up.join(TIMEOUT_S)
        assert caught.value.code == "gearman-unreachable"


def test_losing_the_server_ends_the_following_with_an_error() -> None:
    parameters = zuul_parameters("demo/app", job="j1", branch="main")
    with Gearmand() as gearmand, Submission(gearmand.address, "j1", parameters) as submission:
        events = submission.events(TIMEOUT_S)
        next(events)

        gearmand.stop()

        with pytest.raises(InfrastructureError, match="lost") as caught:
            list(events)
        assert caught.value.code == "gearman-lost"


@pytest.mark.parametrize("real", [True, False])
def test_a_job_is_offered_while_a_worker_is_there(real: bool) -> None:
    with Gearmand() if real else EmbeddedServer() as server:
        assert not offered(f"127.0.0.1:{server.port}", "j1")
        with Worker(f"127.0.0.1:{server.port}", wait_for_stop=False) as worker:
            pause = threading.Event()
            while not offered(f"127.0.0.1:{server.port}", "j1"):
                pause.wait(0.005)
            assert not offered(f"127.0.0.1:{server.port}", "j")
            worker.link.drain()
            while offered(f"127.0.0.1:{server.port}", "j1"):
                pause.wait(0.005)
            status = {entry.function: entry for entry in admin.status(f"127.0.0.1:{server.port}")}
            assert (status["stop:host-a"].workers, status["build:j1"].workers) == (1, 0)


def test_made_parameters_are_those_of_a_change_or_of_a_timer() -> None:
    change = zuul_parameters(
        "demo/app", job="j1", branch="main", ref="refs/changes/45/345/2", url="/srv/git", change="345", patchset="2"
    )
    timer = zuul_parameters("demo/app", job="j1", branch="main")

    parsed = zuul.parse("build:j1", change["ZUUL_UUID"], json.dumps(change).encode())
    assert (parsed.change.kind, parsed.change.number, parsed.change.patchset) == (ChangeKind.CHANGE, "345", "2")
    assert parsed.log_path == f"45/345/2/submit/j1/{change['ZUUL_UUID'][:7]}"
    assert zuul.parse("build:j1", timer["ZUUL_UUID"], json.dumps(timer).encode()).change.kind is ChangeKind.BRANCH
    assert timer["ZUUL_UUID"] != change["ZUUL_UUID"]


def test_a_port_in_use_is_told() -> None:
    with EmbeddedServer() as first, pytest.raises(InfrastructureError, match=str(first.port)):
        EmbeddedServer(first.port).start()
