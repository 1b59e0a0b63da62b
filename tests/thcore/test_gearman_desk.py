"""Pausing, offering other functions, several servers: what the link takes in, and what it tells the servers."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import Mock

import gear
import pytest

from thcore.gearman import desk
from thcore.gearman import zuul as protocol
from thcore.gearman.delivery import Delivery
from thcore.gearman.desk import Desk
from thcore.gearman.line import State
from thcore.gearman.link import Link
from thcore.gearman.packet import packet
from thcore.testing.gearmand import Gearmand

from parts.wire import Wire
from parts.zuul import Zuul

pytestmark = pytest.mark.system

MANAGER = "host-a"
TIMEOUT_S = 20.0
BOTH = ["build:j1", "build:j2"]


class Builds:
    """Slots that keep their builds until the test ends them."""

    def __init__(self, link: Link, slots: int = 1) -> None:
        self.taken: queue.Queue[Delivery] = queue.Queue()
        self._link = link
        self._ended: dict[str, threading.Event] = {}
        self.threads = [threading.Thread(target=self._work) for _ in range(slots)]
        for thread in self.threads:
            thread.start()

    def next(self) -> Delivery:
        return self.taken.get(timeout=TIMEOUT_S)

    def end(self, delivery: Delivery) -> bool:
        done = delivery.finish(
            protocol.refused(delivery.unique, "j1", MANAGER, None, "done", result="DONE"),
        )
        self._ended[delivery.unique].set()
        return done

    def join(self) -> None:
        for event in self._ended.values():
            event.set()
        for thread in self.threads:
            thread.join(TIMEOUT_S)
            assert not thread.is_alive()

    def _work(self) -> None:
        while (delivery := self._link.take()) is not None:
            ended = self._ended[delivery.unique] = threading.Event()
            delivery.begin(protocol.started(delivery.unique, "j1", MANAGER, None))
            self.taken.put(delivery)
            ended.wait(TIMEOUT_S)


@contextmanager
def serving(
    *servers: str, slots: int = 1, functions: list[str] | None = None, silence_s: float = 60.0
) -> Iterator[tuple[Link, Builds]]:
    link = Link(servers, MANAGER, on_stop=print, silence_s=silence_s)
    try:
        link.start(BOTH if functions is None else functions, wait_s=TIMEOUT_S if servers else 0)
        builds = Builds(link, slots)
        yield link, builds
    finally:
        link.close()
    builds.join()


@pytest.fixture
def gearmand() -> Iterator[Gearmand]:
    with Gearmand() as server:
        yield server


@pytest.fixture
def zuul(gearmand: Gearmand) -> Iterator[Zuul]:
    with Zuul(gearmand.port) as client:
        yield client
        assert client.violations == []


def wait_until(condition: Callable[[], object], what: str) -> None:
    pause = threading.Event()
    for _ in range(int(TIMEOUT_S / 0.02)):
        if condition():
            return
        pause.wait(0.02)
    raise TimeoutError(f"never happened: {what}")


def test_a_paused_link_withdraws_its_functions_and_resumes_with_each_once(gearmand: Gearmand, zuul: Zuul) -> None:
    with serving(gearmand.address) as (link, builds):
        for _ in range(3):
            link.pause("the disk is full")
            link.pause("the disk is still full")
            assert link.paused == "the disk is still full"
            assert gearmand.offered(MANAGER, []) == []
            assert link.registered == ()

            link.resume()
            link.resume()
            assert link.paused is None
            assert gearmand.offered(MANAGER, BOTH) == BOTH
            assert link.check_registered() == ()

        build = zuul.launch("j1")
        assert builds.end(builds.next())
        assert build.wait() == "DONE"


def test_a_build_waits_in_the_queue_while_the_link_is_paused(gearmand: Gearmand, zuul: Zuul) -> None:
    with serving(gearmand.address) as (link, builds):
        link.pause("the disk is full")
        assert gearmand.offered(MANAGER, []) == []
        build = zuul.launch("j1")
        assert all(thread.is_alive() for thread in builds.threads)
        assert builds.taken.empty()

        link.resume()

        assert builds.end(builds.next())
        assert build.wait() == "DONE"


def test_a_running_build_keeps_its_function_and_no_other_when_the_link_is_paused(
    gearmand: Gearmand, zuul: Zuul
) -> None:
    with serving(gearmand.address, slots=2) as (link, builds):
        build = zuul.launch("j1")
        running = builds.next()
        with Link([gearmand.address], "host-b", on_stop=print) as other:
            other.start(BOTH)
            stolen = Builds(other)
            link.pause("the disk is full")

            assert gearmand.offered(MANAGER, ["build:j1"]) == ["build:j1"]
            assert link.registered == ("build:j1",)
            assert gearmand.status()["build:j1"] == (1, 1, 2)
            assert builds.end(running)
            assert build.wait() == "DONE"
            assert gearmand.offered(MANAGER, []) == []
            assert stolen.taken.empty(), "gearmand gives a running build of a withdrawn function to the next worker"
            other.close()
            stolen.join()
        link.resume()
        assert gearmand.offered(MANAGER, BOTH) == BOTH


def test_a_link_that_is_paused_before_it_starts_offers_nothing_until_it_is_resumed(gearmand: Gearmand) -> None:
    with Link([gearmand.address], MANAGER, on_stop=print) as link:
        link.pause("the disk is full")
        assert link.start(BOTH)
        assert gearmand.offered(MANAGER, []) == []

        link.resume()

        assert gearmand.offered(MANAGER, BOTH) == BOTH


def test_a_connection_that_is_made_during_the_pause_gets_the_functions_afterwards(gearmand: Gearmand) -> None:
    with serving(gearmand.address) as (link, _):
        link.pause("the disk is full")
        gearmand.restart()
        assert gearmand.offered(MANAGER, []) == []

        link.resume()

        assert gearmand.offered(MANAGER, BOTH) == BOTH


def test_a_pause_can_be_followed_by_a_drain_and_a_drain_is_for_ever(gearmand: Gearmand) -> None:
    with serving(gearmand.address) as (link, builds):
        link.pause("the disk is full")
        link.drain()
        link.resume()
        link.pause("again")
        link.resume()

        assert link.take() is None
        assert link.paused is None
        for thread in builds.threads:
            thread.join(TIMEOUT_S)
        assert gearmand.offered(MANAGER, []) == []


@pytest.mark.parametrize("shut", [lambda link: link.pause("the disk is full"), lambda link: link.drain()])
def test_a_build_that_is_assigned_in_the_moment_of_a_pause_is_handed_back(
    gearmand: Gearmand, zuul: Zuul, shut: Callable[[Link], None]
) -> None:
    with Wire(gearmand.port) as wire, serving(wire.address) as (link, builds):
        wait_until(lambda: len(asleep(link)) == 1, "the server has been asked and has no job")
        wire.delay(2.0)  # each of NOOP, GRAB_JOB and the job
        build = zuul.launch("j1")
        wait_until(lambda: gearmand.status()["build:j1"][1] == 1, "gearmand has assigned the build")
        shut(link)
        wire.heal()

        assert build.wait() is None
        assert [sent.kind for sent in build.packets] == ["DATA", "FAIL"]
        assert build.data[-1]["summary"] in {"the disk is full", "the worker is stopping"}
        assert builds.taken.empty()
        assert gearmand.offered(MANAGER, []) == []


class Waiting:
    """A thread in ``take`` of a desk, and a line over which it has asked for a job."""

    def __init__(self) -> None:
        self.handed_back: list[Delivery] = []
        self.desk = Desk(self.handed_back.append, lambda _line, _up: None)
        self.desk.offer(BOTH)
        self.line = Mock(state=State.IDLE, since=0.0, registered=("build:j1",))
        self.desk.opened(self.line)
        self.taken: queue.Queue[Delivery | None] = queue.Queue()
        self.thread = threading.Thread(target=lambda: self.taken.put(self.desk.take(lambda: True)))
        self.thread.start()
        wait_until(lambda: self.line.change.called, "the line is chosen")


@pytest.mark.parametrize("shut", [lambda desk: desk.pause("the disk is full"), lambda desk: desk.drain(0.0)])
def test_a_build_that_no_slot_has_fetched_when_the_pause_begins_is_handed_back(shut: Callable[[Desk], None]) -> None:
    waiting = Waiting()
    delivery = Mock(lost=threading.Event())
    with waiting.desk._changed:  # the thread cannot fetch it
        waiting.desk.assigned(waiting.line, delivery)
        assert waiting.handed_back == []
        shut(waiting.desk)

    assert waiting.handed_back == [delivery]
    waiting.desk.drain(0.0)
    assert waiting.taken.get(timeout=TIMEOUT_S) is None
    waiting.thread.join()


def test_a_build_that_is_lost_before_a_slot_has_fetched_it_is_not_given_to_one() -> None:
    waiting = Waiting()
    lost, good = Mock(lost=threading.Event()), Mock(lost=threading.Event())
    with waiting.desk._changed:
        waiting.desk.assigned(waiting.line, lost)
        lost.lost.set()
    wait_until(lambda: not waiting.desk._jobs, "the lost one is dropped")
    waiting.desk.assigned(waiting.line, good)

    assert waiting.taken.get(timeout=TIMEOUT_S) is good
    waiting.thread.join()


def asleep(link: Link) -> list[object]:
    return [line for line in link._builds.desk.lines if line.state.name == "ASLEEP"]


def test_pausing_resuming_and_offering_at_any_moment_loses_and_doubles_nothing(gearmand: Gearmand, zuul: Zuul) -> None:
    with serving(gearmand.address, slots=2, functions=["build:j1"]) as (link, builds):
        stop = threading.Event()

        def disturb(first: Callable[[], None], second: Callable[[], None]) -> None:
            while not stop.is_set():
                first()
                second()

        def finish() -> None:
            while not stop.is_set():
                try:
                    builds.end(builds.taken.get(timeout=0.05))
                except queue.Empty:
                    continue

        threads = [
            threading.Thread(target=disturb, args=(lambda: link.pause("x"), link.resume)),
            threading.Thread(target=disturb, args=(lambda: link.offer(BOTH), lambda: link.offer(["build:j1"]))),
            threading.Thread(target=finish),
        ]
        for thread in threads:
            thread.start()
        results = []
        for _ in range(10):
            launched = [zuul.launch("j1") for _ in range(5)]
            results += [build.wait() for build in launched]
        stop.set()
        for thread in threads:
            thread.join(TIMEOUT_S)

        assert set(results) <= {"DONE", None}
        link.resume()
        link.offer(BOTH)
        assert gearmand.offered(MANAGER, BOTH) == BOTH
        assert link.check_registered() == ()


def test_other_functions_are_offered_without_touching_those_that_stay(gearmand: Gearmand, zuul: Zuul) -> None:
    with serving(gearmand.address, slots=2) as (link, builds):
        build = zuul.launch("j1")
        running = builds.next()

        link.offer(["build:j2", "build:j3"])
        link.offer(["build:j2", "build:j3", "build:j3"])

        assert gearmand.offered(MANAGER, ["build:j1", "build:j2", "build:j3"]) == ["build:j1", "build:j2", "build:j3"]
        assert builds.end(running)
        assert build.wait() == "DONE"
        assert gearmand.offered(MANAGER, ["build:j2", "build:j3"]) == ["build:j2", "build:j3"]
        assert link.registered == ("build:j2", "build:j3")
        new = zuul.launch("j3")
        assert builds.end(builds.next())
        assert new.wait() == "DONE"


def test_a_queued_build_of_a_function_that_is_offered_later_is_taken(gearmand: Gearmand, zuul: Zuul) -> None:
    with serving(gearmand.address) as (link, builds):
        link.offer(["build:j1"])
        assert gearmand.offered(MANAGER, ["build:j1"]) == ["build:j1"]
        wait_until(lambda: asleep(link), "the server has been asked and has no job")
        build = zuul.launch("j2")

        link.offer(BOTH)

        assert builds.end(builds.next())
        assert build.wait() == "DONE"


def test_registrations_that_were_removed_behind_our_back_are_found(gearmand: Gearmand) -> None:
    with serving(gearmand.address) as (link, _):
        assert link.check_registered() == ()
        (builds,), (control,) = link._builds.desk.lines, link._control.desk.lines

        builds.send(packet(gear.constants.CANT_DO, b"build:j1"))
        control.send(packet(gear.constants.RESET_ABILITIES))

        missing = [f"stop:{MANAGER}", f"set_description:{MANAGER}"]
        assert set(link.check_registered()) == {
            f"{gearmand.address} does not list build:j1 for {MANAGER}: no job of it comes here",
            *(
                f"{gearmand.address} does not list {name} for {MANAGER} control: no job of it comes here"
                for name in missing
            ),
        }


def test_a_server_that_is_late_does_not_keep_a_slot_whenever_its_time_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # Every look at the clock takes 0.4 of a server's time: it runs out between two looks.
    monkeypatch.setattr(desk, "ANSWER_S", 0.05)
    looks = itertools.count()
    monkeypatch.setattr(desk, "time", Mock(monotonic=lambda: next(looks) * 0.02))
    chosen: queue.Queue[str] = queue.Queue()

    class Late:
        def __init__(self, name: str) -> None:
            self.name, self.state, self.since = name, State.IDLE, 0.0

        def change(self, state: State) -> None:
            self.state, self.since = state, next(looks) * 0.02

        def wake(self) -> None:
            if self.state is State.CHOSEN:
                chosen.put(self.name)

    slots = Desk(Mock(), Mock())
    for name in ("first", "second"):
        slots.opened(Late(name))  # type: ignore[arg-type]
    thread = threading.Thread(target=slots.take, args=(lambda: True,))
    thread.start()

    assert [chosen.get(timeout=TIMEOUT_S) for _ in range(2)] == ["first", "second"]

    slots.drain(0.0)
    thread.join(TIMEOUT_S)


def test_registrations_that_are_doubled_or_too_many_are_found(gearmand: Gearmand) -> None:
    with serving(gearmand.address) as (link, _):
        (line,) = link._builds.desk.lines
        line.send(packet(gear.constants.CAN_DO, b"build:j1") + packet(gear.constants.CAN_DO, b"build:old"))

        assert set(link.check_registered()) == {
            f"{gearmand.address} lists build:j1 2 times for {MANAGER}",
            f"{gearmand.address} still lists build:old for {MANAGER}",
        }


def test_a_connection_that_the_server_knows_under_another_name_is_found(gearmand: Gearmand) -> None:
    with serving(gearmand.address) as (link, _):
        (line,) = link._builds.desk.lines
        line.send(packet(gear.constants.SET_CLIENT_ID, b"somebody-else"))

        assert link.check_registered() == (
            f"{gearmand.address} does not know {MANAGER}, though the connection to it is up",
        )


def test_a_frozen_server_is_found_and_the_other_one_is_not_blamed(gearmand: Gearmand) -> None:
    with Gearmand() as second, serving(gearmand.address, second.address) as (link, _):
        wait_until(lambda: all(state.connected for state in link.servers()), "both are connected")
        gearmand.freeze()

        problems = link.check_registered(0.5)

        assert problems == tuple(
            f"{gearmand.address} does not answer which functions are registered for {name}"
            for name in (MANAGER, f"{MANAGER} control")
        )
        gearmand.thaw()
        assert link.check_registered() == ()


def test_a_build_is_taken_after_the_registrations_were_asked_for(gearmand: Gearmand, zuul: Zuul) -> None:
    with serving(gearmand.address) as (link, builds):
        wait_until(lambda: asleep(link), "the server has been asked and has no job")
        assert link.check_registered() == ()
        build = zuul.launch("j1")
        running = builds.next()
        assert link.check_registered() == ()

        assert builds.end(running)

        assert build.wait() == "DONE"


def test_nothing_is_said_of_registrations_while_there_is_no_connection(gearmand: Gearmand) -> None:
    with serving(gearmand.address) as (link, _):
        gearmand.stop()
        wait_until(lambda: not link.connected(), "the loss is noticed")

        assert link.check_registered() == ()
