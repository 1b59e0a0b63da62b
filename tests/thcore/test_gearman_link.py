from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Self

import gear
import pytest

from thcore.errors import ConfigError
from thcore.gearman import zuul as protocol
from thcore.gearman.address import Address, parse_address
from thcore.gearman.embedded import EmbeddedServer
from thcore.gearman.link import Delivery, Link
from thcore.gearman.zuul import Reply
from thcore.testing.gearmand import Gearmand
from thcore.testing.ports import free_port

from parts.zuul import Zuul

pytestmark = pytest.mark.system

MANAGER = "host-a"
TIMEOUT_S = 20.0


class Worker:
    """A link with threads that hand every delivery to ``handle``."""

    def __init__(
        self, server: str, handle: Callable[[Delivery], None], *, threads: int = 1, manager: str = MANAGER
    ) -> None:
        self.stops: queue.Queue[str] = queue.Queue()
        self.links: queue.Queue[tuple[str, bool]] = queue.Queue()
        self.link = Link(
            [server], manager, on_stop=self.stops.put, on_link=lambda server, up: self.links.put((server, up))
        )
        self._handle = handle
        self.threads = [threading.Thread(target=self._work) for _ in range(threads)]

    def _work(self) -> None:
        while (delivery := self.link.take()) is not None:
            self._handle(delivery)

    def __enter__(self) -> Self:
        assert self.link.start(protocol.functions("j1", ["n1"]))
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.link.close()
        for thread in self.threads:
            thread.join(TIMEOUT_S)
        assert not any(thread.is_alive() for thread in self.threads)


class Slot:
    """Keeps deliveries until the test has answered them: ``begin`` them all, as a worker does."""

    def __init__(self) -> None:
        self.taken: queue.Queue[Delivery] = queue.Queue()
        self.free = threading.Event()

    def __call__(self, delivery: Delivery) -> None:
        begin(delivery)
        self.taken.put(delivery)
        self.free.wait(TIMEOUT_S)


def begin(delivery: Delivery) -> bool:
    return delivery.begin(protocol.started(delivery.unique, "j1", MANAGER, None))


def success(delivery: Delivery) -> Reply:
    values = {"name": "j1", "number": delivery.unique, "manager": MANAGER, "result": "SUCCESS"}
    return Reply(json.dumps(values).encode(), complete=True)


def succeed(delivery: Delivery) -> None:
    begin(delivery)
    delivery.finish(success(delivery))


@pytest.fixture
def gearmand() -> Iterator[Gearmand]:
    with Gearmand() as server:
        yield server


@pytest.fixture(params=["gearmand", "embedded"])
def server(request: pytest.FixtureRequest) -> Iterator[int]:
    with Gearmand() if request.param == "gearmand" else EmbeddedServer() as running:
        yield running.port


@contextlib.contextmanager
def busy(port: int) -> Iterator[tuple[Worker, Slot, Zuul]]:
    """A worker with one slot."""
    slot = Slot()
    with Zuul(port) as zuul, Worker(f"127.0.0.1:{port}", slot) as worker:
        try:
            yield worker, slot, zuul
        finally:
            slot.free.set()
        assert zuul.violations == []


def test_a_build_is_told_in_the_order_that_zuul_expects(server: int) -> None:
    def handle(delivery: Delivery) -> None:
        begin(delivery)
        delivery.status(50, 100)
        delivery.data(protocol.started(delivery.unique, "j1", MANAGER, None, url="http://logs/x"))
        delivery.finish(success(delivery))

    with Zuul(server) as zuul, Worker(f"127.0.0.1:{server}", handle):
        build = zuul.launch("j1")

        assert build.wait() == "SUCCESS"
        assert [packet.kind for packet in build.packets] == ["DATA", "STATUS", "STATUS", "DATA", "DATA", "COMPLETE"]
        assert build.packets[1].payload == b"0\x00100"
        assert (build.number, build.manager, build.url) == (build.unique, MANAGER, "http://logs/x")
        assert zuul.violations == []


def test_what_is_delivered_is_what_zuul_sent(server: int) -> None:
    with busy(server) as (_, slot, zuul):
        build = zuul.launch("j1", node="n1", ZUUL_PIPELINE="é ü")
        delivery = slot.taken.get(timeout=TIMEOUT_S)
        delivery.finish(success(delivery))

        assert (delivery.function, delivery.unique) == ("build:j1:n1", build.unique)
        assert protocol.parse(delivery.function, delivery.unique, delivery.arguments).id == build.unique
        assert json.loads(delivery.arguments)["ZUUL_PIPELINE"] == "é ü"
        build.wait()


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (protocol.retry, None),
        (protocol.refused, "INVALID_ARGUMENTS"),
    ],
)
def test_a_build_that_does_not_run_is_answered_with_fail(
    gearmand: Gearmand, reply: Callable[..., Reply], result: str | None
) -> None:
    def handle(delivery: Delivery) -> None:
        begin(delivery)
        delivery.finish(reply(delivery.unique, "j1", MANAGER, None, "no"))

    with Zuul(gearmand.port) as zuul, Worker(gearmand.address, handle):
        build = zuul.launch("j1", raw=b"\xff no JSON")

        assert build.wait() == result
        assert build.packets[-1].kind == "FAIL"
        assert zuul.violations == []


def test_a_stop_gets_through_while_every_slot_is_busy(server: int) -> None:
    with busy(server) as (worker, slot, zuul):
        build = zuul.launch("j1")
        build.wait_started()
        delivery = slot.taken.get(timeout=TIMEOUT_S)

        stop = build.cancel()

        assert stop is not None
        assert stop.complete
        assert not stop.failure
        assert worker.stops.get(timeout=TIMEOUT_S) == build.unique
        assert delivery.finish(protocol.retry(delivery.unique, "j1", MANAGER, None, "x"))
        build.wait()


@pytest.mark.parametrize(
    "arguments", [b'{"name": "j1", "number": "nobody"}', b"", b"\xff", b"[]", b'{"number": null}', b"[" * 9000]
)
def test_any_stop_is_answered_complete(gearmand: Gearmand, arguments: bytes) -> None:
    with busy(gearmand.port) as (worker, _, zuul):
        job = zuul.ask(f"stop:{MANAGER}", arguments)

        assert (job.complete, job.failure, job.data) == (True, False, [])
        assert zuul.describe(MANAGER, "j1", "x").failure is False
        # The thread lives on, and has told of the first stop only if that named a build.
        zuul.stop(MANAGER, "j1", "last")
        numbers = [worker.stops.get(timeout=TIMEOUT_S)]
        if b"nobody" in arguments:
            numbers.append(worker.stops.get(timeout=TIMEOUT_S))
        assert numbers == (["nobody", "last"] if b"nobody" in arguments else ["last"])


def test_a_stop_is_answered_though_its_listener_fails(gearmand: Gearmand, caplog: pytest.LogCaptureFixture) -> None:
    def fail(number: str) -> None:
        raise ValueError(number)

    with Link([gearmand.address], MANAGER, on_stop=fail) as link, Zuul(gearmand.port) as zuul:
        link.start(["build:j1"])
        for number in ("first", "second"):
            assert zuul.stop(MANAGER, "j1", number).complete
        zuul.describe(MANAGER, "j1", "x")  # the second one has been handled before this is

    assert caplog.text.count("stopping build") == 2


def test_functions_are_registered_once_and_stop_among_them(gearmand: Gearmand) -> None:
    with busy(gearmand.port) as (worker, _, _):
        assert worker.link.registered == ("build:j1", "build:j1:n1")
        assert worker.link.connected()

        builds, control = ["build:j1", "build:j1:n1"], [f"set_description:{MANAGER}", f"stop:{MANAGER}"]
        assert gearmand.offered(MANAGER, builds) == builds
        assert gearmand.offered(f"{MANAGER} control", control) == control


def test_fifty_builds_over_four_threads_each_get_their_own_answer(server: int) -> None:
    names = set()

    def handle(delivery: Delivery) -> None:
        names.add(threading.current_thread().name)
        succeed(delivery)

    with Zuul(server) as zuul, Worker(f"127.0.0.1:{server}", handle, threads=4):
        builds = [zuul.launch("j1") for _ in range(50)]

        assert {build.wait() for build in builds} == {"SUCCESS"}
        assert all(len(build.packets) == 4 for build in builds)
        assert zuul.violations == []


def test_as_many_builds_run_as_threads_wait(gearmand: Gearmand) -> None:
    slot = Slot()
    with Zuul(gearmand.port) as zuul, Worker(gearmand.address, slot, threads=3):
        builds = [zuul.launch("j1") for _ in range(5)]
        taken = [slot.taken.get(timeout=TIMEOUT_S) for _ in range(3)]

        assert gearmand.status()["build:j1"] == (5, 3, 1)
        slot.free.set()
        for delivery in [*taken, slot.taken.get(timeout=TIMEOUT_S), slot.taken.get(timeout=TIMEOUT_S)]:
            delivery.finish(success(delivery))
        assert {build.wait() for build in builds} == {"SUCCESS"}


def test_a_delivery_is_answered_once(gearmand: Gearmand) -> None:
    with busy(gearmand.port) as (_, slot, zuul):
        build = zuul.launch("j1")
        delivery = slot.taken.get(timeout=TIMEOUT_S)

        assert delivery.finish(success(delivery))
        assert not delivery.finish(success(delivery))
        assert not delivery.data(b"{}")
        assert not delivery.status(1, 2)

        assert build.wait() == "SUCCESS"
        assert not delivery.lost.is_set()


def test_a_reply_over_the_limit_is_not_sent_and_can_be_sent_shorter(gearmand: Gearmand) -> None:
    with busy(gearmand.port) as (_, slot, zuul):
        build = zuul.launch("j1")
        delivery = slot.taken.get(timeout=TIMEOUT_S)

        with pytest.raises(ValueError, match="over the limit"):
            delivery.data(b"x" * (64 * 1024))
        with pytest.raises(ValueError, match="over the limit"):
            delivery.finish(Reply(b"x" * (64 * 1024), complete=True))

        assert delivery.finish(success(delivery))
        assert build.wait() == "SUCCESS"


def test_draining_ends_the_waiting_threads_and_lets_the_running_build_end(server: int) -> None:
    with busy(server) as (worker, slot, zuul), Worker(f"127.0.0.1:{server}", succeed, manager="host-b") as other:
        other.link.drain()
        build = zuul.launch("j1")
        delivery = slot.taken.get(timeout=TIMEOUT_S)

        worker.link.drain()

        assert worker.link.take() is None
        assert zuul.stop(MANAGER, "j1", "x").complete
        assert worker.stops.get(timeout=TIMEOUT_S) == "x"
        assert delivery.finish(success(delivery))
        assert build.wait() == "SUCCESS"


def test_a_running_build_is_not_given_away_by_draining(gearmand: Gearmand) -> None:
    with busy(gearmand.port) as (worker, slot, zuul):
        build = zuul.launch("j1")
        delivery = slot.taken.get(timeout=TIMEOUT_S)
        stolen: queue.Queue[Delivery] = queue.Queue()
        builds = ["build:j1", "build:j1:n1"]
        with Worker(gearmand.address, stolen.put, manager="host-b"):
            assert gearmand.offered("host-b", builds) == builds
            # gearmand hands a running build to the next worker when its function is withdrawn.
            worker.link.drain()
            assert gearmand.status()["build:j1"] == (1, 1, 2)
            delivery.finish(success(delivery))

            assert build.wait() == "SUCCESS"
            assert stolen.empty()
            assert gearmand.offered(MANAGER, []) == []
            assert worker.link.registered == ()


def test_draining_an_idle_link_withdraws_its_functions(gearmand: Gearmand) -> None:
    with busy(gearmand.port) as (worker, _, zuul):
        worker.link.drain()
        worker.link.drain()

        assert gearmand.offered(MANAGER, []) == []
        queued = zuul.launch("j1")
        with Worker(gearmand.address, succeed, manager="host-b"):
            assert queued.wait() == "SUCCESS"


def test_a_lost_connection_is_told_and_nothing_is_sent_after_it(gearmand: Gearmand) -> None:
    with busy(gearmand.port) as (worker, slot, zuul):
        build = zuul.launch("j1")
        delivery = slot.taken.get(timeout=TIMEOUT_S)
        told = threading.Event()
        delivery.on_lost(told.set)
        assert worker.links.get(timeout=TIMEOUT_S) == (gearmand.address, True)

        gearmand.stop()

        assert delivery.lost.wait(TIMEOUT_S)
        assert told.wait(TIMEOUT_S)
        assert worker.links.get(timeout=TIMEOUT_S) == (gearmand.address, False)
        assert not worker.link.connected()
        assert not delivery.finish(success(delivery))
        late = threading.Event()
        delivery.on_lost(late.set)
        assert late.is_set()
        assert build.wait() is None


def test_after_a_restart_functions_are_registered_once_and_builds_run(gearmand: Gearmand) -> None:
    with busy(gearmand.port) as (worker, slot, zuul):
        assert worker.links.get(timeout=TIMEOUT_S) == (gearmand.address, True)
        for _ in range(2):
            gearmand.restart()
            assert worker.links.get(timeout=TIMEOUT_S) == (gearmand.address, False)
            assert worker.links.get(timeout=TIMEOUT_S) == (gearmand.address, True)

        zuul.wait_connected()
        assert zuul.stop(MANAGER, "j1", "x").complete  # waits for the other connection too
        builds, control = ["build:j1", "build:j1:n1"], [f"set_description:{MANAGER}", f"stop:{MANAGER}"]
        assert gearmand.offered(MANAGER, builds) == builds
        assert gearmand.offered(f"{MANAGER} control", control) == control
        build = zuul.launch("j1")
        delivery = slot.taken.get(timeout=TIMEOUT_S)
        delivery.finish(success(delivery))
        assert build.wait() == "SUCCESS"


def test_the_handle_of_an_old_connection_does_not_complete_a_new_build(gearmand: Gearmand) -> None:
    slot = Slot()
    with Zuul(gearmand.port) as zuul, Worker(gearmand.address, slot, threads=2) as worker:
        old_build = zuul.launch("j1")
        old = slot.taken.get(timeout=TIMEOUT_S)
        gearmand.restart()
        for _ in range(3):
            worker.links.get(timeout=TIMEOUT_S)
        zuul.wait_connected()
        new_build = zuul.launch("j1")
        new = slot.taken.get(timeout=TIMEOUT_S)
        assert new._handle == old._handle, "the server counts from 1 again"

        assert not old.finish(success(old))
        assert not old.data(b"{}")
        assert new.finish(protocol.refused(new.unique, "j1", MANAGER, None, "x"))

        assert new_build.wait() == "INVALID_ARGUMENTS"
        assert old_build.wait() is None
        slot.free.set()
        assert zuul.violations == []


def test_a_sender_is_freed_when_the_connection_is_lost_under_it(gearmand: Gearmand) -> None:
    with busy(gearmand.port) as (_, slot, zuul):
        zuul.launch("j1")
        delivery = slot.taken.get(timeout=TIMEOUT_S)
        gearmand.freeze()
        payload = protocol.started(delivery.unique, "j1", MANAGER, None)
        filler = json.dumps({**json.loads(payload), "filler": "x" * 60_000}).encode()

        def fill() -> None:
            while delivery.data(filler):
                pass

        sender = threading.Thread(target=fill)
        sender.start()
        gearmand.stop()

        sender.join(TIMEOUT_S)
        assert not sender.is_alive()
        assert delivery.lost.wait(TIMEOUT_S)


def test_closing_loses_what_is_not_answered(server: int) -> None:
    slot = Slot()
    with Zuul(server) as zuul, Worker(f"127.0.0.1:{server}", slot) as worker:
        zuul.launch("j1")
        delivery = slot.taken.get(timeout=TIMEOUT_S)

        worker.link.close()
        worker.link.close()

        assert delivery.lost.is_set()
        assert not delivery.finish(success(delivery))
        assert not worker.link.connected()
        slot.free.set()


def test_a_link_without_a_server_keeps_trying(gearmand: Gearmand) -> None:
    gearmand.stop()
    up = threading.Event()
    with Link([gearmand.address], MANAGER, on_stop=print, on_link=lambda *_: up.set()) as link:
        assert not link.start(["build:j1"], wait_s=0.1)
        assert not link.connected()

        gearmand.start()

        assert up.wait(TIMEOUT_S)
        assert gearmand.offered(MANAGER, ["build:j1"]) == ["build:j1"]


def test_a_link_to_nobody_closes_at_once() -> None:
    link = Link([f"127.0.0.1:{free_port()}"], MANAGER, on_stop=print)
    link.start(["build:j1"], wait_s=0.1)

    closer = threading.Thread(target=link.close)
    closer.start()
    closer.join(3.0)

    assert not closer.is_alive()
    assert link.take() is None


def test_several_servers_are_served_at_once(gearmand: Gearmand) -> None:
    with Gearmand() as second, Link([gearmand.address, second.address], MANAGER, on_stop=print) as link:
        link.start(["build:j1"])

        def work() -> None:
            while (delivery := link.take()) is not None:
                succeed(delivery)

        thread = threading.Thread(target=work)
        thread.start()
        for server in (second, gearmand, second):
            with Zuul(server.port) as zuul:
                assert zuul.launch("j1").wait() == "SUCCESS"
        link.close()
        thread.join(TIMEOUT_S)


def test_an_error_about_one_job_leaves_the_other_builds_alone(gearmand: Gearmand) -> None:
    slot = Slot()
    with Zuul(gearmand.port) as zuul, Worker(gearmand.address, slot, threads=2) as worker:
        first, second = zuul.launch("j1"), zuul.launch("j1")
        deliveries = [slot.taken.get(timeout=TIMEOUT_S) for _ in range(2)]
        deliveries[0].finish(success(deliveries[0]))
        done = first if deliveries[0].unique == first.unique else second
        assert done.wait() == "SUCCESS"
        # What a fault of ours would send: the end of a build that has ended. gearmand answers with an ERROR.
        stale = gear.Packet(gear.constants.REQ, gear.constants.WORK_FAIL, deliveries[0]._handle)
        worker.link._builds.desk.lines[0].send(stale.toBinary())

        assert deliveries[1].status(1, 2)
        assert deliveries[1].finish(success(deliveries[1]))

        assert {first.wait(), second.wait()} == {"SUCCESS"}
        slot.free.set()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:4730", Address("127.0.0.1", 4730)),
        ("gearman.example.org", Address("gearman.example.org", 4730)),
        ("[::1]:14730", Address("::1", 14730)),
        ("[::1]", Address("::1", 4730)),
    ],
)
def test_an_address_is_host_and_port(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize("text", ["", ":4730", "::1", "a:b", "a:0", "a:65536", "http://a:1", "a b:1", "[::1"])
def test_what_is_no_address_is_an_error_of_the_configuration(text: str) -> None:
    with pytest.raises(ConfigError, match="4730"):
        parse_address(text)
    with pytest.raises(ConfigError):
        Link([text], MANAGER, on_stop=print)


def test_a_link_needs_a_server() -> None:
    with pytest.raises(ConfigError, match="no Gearman server"):
        Link([], MANAGER, on_stop=print)
