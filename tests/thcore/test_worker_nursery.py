"""The processes that builds are done in: where they come from, and that a cancel always reaches them."""

from __future__ import annotations

import queue
import signal
import threading
from multiprocessing import Pipe
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from thcore.config.load import load
from thcore.errors import InfrastructureError
from thcore.model import BuildRequest, Change, ChangeKind, WorkerInfo
from thcore.process.interrupt import Interrupt
from thcore.worker import child, message
from thcore.worker.message import Assignment, Cancel
from thcore.worker.nursery import Nursery
from thcore.worker.ward import Start

TIMEOUT_S = 15.0
REQUEST = BuildRequest("b" * 32, "hello", Change("example/app", ChangeKind.BRANCH, branch="main"), {}, "1/check")


def test_a_cancel_that_comes_before_the_child_can_hear_signals_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str | None] = []

    def run(*arguments: Any) -> Mock:
        (interrupt,) = (argument for argument in arguments if isinstance(argument, Interrupt))
        heard.append(interrupt.cancelled)
        return Mock()

    monkeypatch.setattr(child.lifecycle, "run", run)
    monkeypatch.setattr(child, "Ended", lambda _outcome: Cancel("nothing"))
    before = signal.getsignal(signal.SIGTERM)
    ours, theirs = Pipe()
    with ours, theirs:
        message.send(ours, Assignment(REQUEST, 1, "/nowhere"))
        message.send(ours, Cancel("not wanted any more"))
        try:
            child.serve(theirs, {"hello": Mock()}, Mock())
        finally:
            signal.signal(signal.SIGTERM, before)

    assert heard == ["not wanted any more"]


@pytest.mark.system
def test_everybody_who_waits_for_a_child_hears_of_the_death_of_the_nursery(tmp_path: Path) -> None:
    path = tmp_path / "thcore.yaml"
    job = "{name: hello, plugins: {git: {base_url: /srv/git}, shell: {script: [job.sh]}}}"
    path.write_text(f"directories: {{state: {tmp_path / 'state'}}}\njobs: [{job}]\n")
    nursery = Nursery(Start(load(path), WorkerInfo("a", "a", "1")), stock=0)
    nursery.open()
    told: queue.Queue[str] = queue.Queue()

    def wait() -> None:
        try:
            nursery.child()
        except InfrastructureError as error:
            told.put(str(error))

    nursery._process.send_signal(signal.SIGSTOP)
    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    pause = threading.Event()
    while len(nursery._ordered) < len(threads):
        pause.wait(0.01)

    nursery._process.kill()

    assert {told.get(timeout=TIMEOUT_S) for _ in threads} == {"the process that starts builds could not fork"}
    nursery.close()
