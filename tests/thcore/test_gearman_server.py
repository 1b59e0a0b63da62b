"""Servers that are there, are not, stand still or lie: what the link makes of each, and that others do not suffer."""

from __future__ import annotations

import datetime
import json
import queue
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import gear
import pytest

from thcore.errors import InfrastructureError
from thcore.gearman import dial, server
from thcore.gearman import zuul as protocol
from thcore.gearman.address import Address, parse_address
from thcore.gearman.delivery import Delivery
from thcore.gearman.link import Link, ServerState
from thcore.gearman.packet import packet
from thcore.gearman.zuul import Reply
from thcore.testing.gearmand import Gearmand
from thcore.testing.ports import free_port

from parts.island import Island
from parts.wire import Wire
from parts.zuul import Zuul

pytestmark = pytest.mark.system

MANAGER = "host-a"
TIMEOUT_S = 20.0


@pytest.fixture
def gearmand() -> Iterator[Gearmand]:
    with Gearmand() as running:
        yield running


@contextmanager
def linked(*servers: str, silence_s: float = 60.0) -> Iterator[Link]:
    with Link(servers, MANAGER, on_stop=print, silence_s=silence_s) as link:
        link.start(["build:j1"], wait_s=TIMEOUT_S)
        yield link


def begin(delivery: Delivery) -> bool:
    return delivery.begin(protocol.started(delivery.unique, "j1", MANAGER, None))


def succeed(delivery: Delivery) -> bool:
    values = {"name": "j1", "number": delivery.unique, "manager": MANAGER, "result": "SUCCESS"}
    return delivery.finish(Reply(json.dumps(values).encode(), complete=True))


def take(link: Link) -> Delivery:
    taken: queue.Queue[Delivery | None] = queue.Queue()
    threading.Thread(target=lambda: taken.put(link.take()), daemon=True).start()
    delivery = taken.get(timeout=TIMEOUT_S)
    assert delivery is not None
    assert begin(delivery)
    return delivery


def wait_until(condition: Callable[[], object], what: str) -> None:
    pause = threading.Event()
    for _ in range(int(TIMEOUT_S / 0.02)):
        if condition():
            return
        pause.wait(0.02)
    raise TimeoutError(f"never happened: {what}")


def wait_state(link: Link, address: str, *, connected: bool) -> ServerState:
    def state() -> ServerState:
        return next(state for state in link.servers() if state.address == address)

    wait_until(lambda: state().connected is connected, f"{address} is {'up' if connected else 'down'}")
    return state()


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An address that answers no SYN: the queue of its listener is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.settimeout(0)
            client.connect_ex(listener.getsockname())
        with socket.socket() as probe:
            probe.settimeout(0.3)
            with pytest.raises(TimeoutError):
                probe.connect(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def nameless(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An address whose name is being resolved for ever."""
    resolve, end = socket.getaddrinfo, threading.Event()

    def stuck(host: str, *arguments: Any, **more: Any) -> Any:
        if host == "gearman.invalid":
            end.wait(TIMEOUT_S)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return resolve(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    yield "gearman.invalid:4730"
    end.set()


def test_the_state_of_a_server_says_since_when_and_what_went_wrong_last(gearmand: Gearmand) -> None:
    began = datetime.datetime.now(datetime.UTC)
    with linked(gearmand.address) as link:
        up = wait_state(link, gearmand.address, connected=True)
        assert (up.address, up.last_error) == (gearmand.address, None)
        assert began <= up.since <= datetime.datetime.now(datetime.UTC)

        gearmand.stop()
        down = wait_state(link, gearmand.address, connected=False)
        assert down.since > up.since
        wait_until(lambda: "Connection refused" in str(link.servers()[0].last_error), "a new connect is refused")
        assert wait_state(link, gearmand.address, connected=False).since == down.since

        gearmand.start()
        again = wait_state(link, gearmand.address, connected=True)
        assert again.since > down.since
        assert "Connection refused" in str(again.last_error)
    assert not link.servers()[0].connected


def test_servers_are_told_in_the_order_of_the_configuration_each_once(gearmand: Gearmand) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    with linked(nobody, gearmand.address, nobody) as link:
        wait_state(link, gearmand.address, connected=True)
        assert [(state.address, state.connected) for state in link.servers()] == [
            (nobody, False),
            (gearmand.address, True),
        ]
        assert "Connection refused" in str(link.servers()[0].last_error)


@pytest.mark.parametrize("dead", ["black_hole", "nameless"])
def test_a_server_that_cannot_be_reached_delays_neither_the_others_nor_the_end(
    gearmand: Gearmand, dead: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    address = request.getfixturevalue(dead)
    with Zuul(gearmand.port) as zuul, linked(address, gearmand.address) as link:
        wait_state(link, gearmand.address, connected=True)
        build = zuul.launch("j1")
        assert succeed(take(link))
        assert build.wait() == "SUCCESS"
        gearmand.restart()
        wait_state(link, gearmand.address, connected=True)
        assert [state.connected for state in link.servers()] == [False, True]

        closer = threading.Thread(target=link.close)
        closer.start()
        closer.join(TIMEOUT_S / 2)
        assert not closer.is_alive()
    # Nothing can end the resolving of a name; its thread ends when it may.
    assert ("left behind" in caplog.text) is (dead == "nameless")


def test_a_connect_ends_after_its_time_and_says_so(black_hole: str) -> None:
    call = dial.Dial(Address("127.0.0.1", int(black_hole.rpartition(":")[2])), connect_timeout_s=0.2)

    with pytest.raises(InfrastructureError, match="does not answer in time"):
        call.open()


def test_a_name_that_does_not_resolve_is_told_in_words() -> None:
    with pytest.raises(InfrastructureError, match="its name cannot be resolved: "):
        dial.Dial(Address("no-such-host.invalid")).open()


def test_connections_speak_no_delay_keep_alive_and_end_when_nothing_is_acknowledged(gearmand: Gearmand) -> None:
    with dial.Dial(Address("127.0.0.1", gearmand.port), silence_s=42.0).open() as opened:
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 42_000
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize("hang", [lambda wire: wire.hang(), lambda wire: wire.half_open()], ids=["hang", "half-open"])
def test_a_server_that_is_silent_for_too_long_is_given_up(gearmand: Gearmand, hang: Callable[[Wire], None]) -> None:
    with Wire(gearmand.port) as wire, Zuul(gearmand.port) as zuul, linked(wire.address, silence_s=2.0) as link:
        zuul.launch("j1")
        delivery = take(link)

        hang(wire)

        assert delivery.lost.wait(TIMEOUT_S)
        assert not succeed(delivery)
        assert "not said anything for 2 s" in str(link.servers()[0].last_error)
        wire.heal()
        wait_state(link, wire.address, connected=True)
        again = take(link)
        assert succeed(again), "the build has been queued again"


@pytest.fixture
def island() -> Iterator[Island]:
    with Island() as made:
        yield made


def test_a_network_that_loses_every_packet_without_a_word_is_noticed(gearmand: Gearmand, island: Island) -> None:
    with (
        Gearmand(host=island.address, prefix=island.inside) as far,
        linked(far.address, gearmand.address, silence_s=4.0) as link,
    ):
        for running in (far, gearmand):
            wait_state(link, running.address, connected=True)
        with Zuul(far.port, host=far.host) as zuul:
            zuul.launch("j1")
            lost = take(link)
        with Zuul(gearmand.port) as zuul:
            build = zuul.launch("j1")
            kept = take(link)

            island.drop()

            assert lost.lost.wait(TIMEOUT_S)
            assert not kept.lost.is_set()
            assert succeed(kept)
            assert build.wait() == "SUCCESS"
        island.heal()
        wait_state(link, far.address, connected=True)
        assert link.check_registered() == ()


def test_what_the_network_does_not_acknowledge_in_time_ends_the_connection(island: Island) -> None:
    with (
        Gearmand(host=island.address, prefix=island.inside) as far,
        dial.Dial(Address(far.host, far.port), silence_s=1.0).open() as opened,
    ):
        island.drop()
        opened.sendall(b"version\n")
        poll = select.poll()
        poll.register(opened, select.POLLIN)

        assert poll.poll(TIMEOUT_S * 1000)
        with pytest.raises(TimeoutError, match="timed out"):
            opened.recv(100)
        island.heal()


def test_a_slow_server_that_answers_is_kept(gearmand: Gearmand) -> None:
    with Wire(gearmand.port) as wire, Zuul(gearmand.port) as zuul, linked(wire.address, silence_s=2.0) as link:
        wire.delay(0.3)
        build = zuul.launch("j1")
        delivery = take(link)
        (line,) = link._builds.desk.lines

        assert not delivery.lost.wait(5.0), "more than twice the time in which silence is noticed"

        assert succeed(delivery)
        assert build.wait() == "SUCCESS"
        assert link._builds.desk.lines == (line,)


def test_a_build_that_is_lost_with_one_server_does_not_touch_the_builds_of_the_other(gearmand: Gearmand) -> None:
    with Gearmand() as second, Zuul(gearmand.port) as zuul, linked(gearmand.address, second.address) as link:
        for running in (gearmand, second):
            wait_state(link, running.address, connected=True)
        build = zuul.launch("j1")
        kept = take(link)
        with Zuul(second.port) as other:
            other.launch("j1")
            lost = take(link)

            second.stop()

            assert lost.lost.wait(TIMEOUT_S)
            assert not succeed(lost)
        assert kept.status(1, 2)
        assert not kept.lost.is_set()
        assert succeed(kept)
        assert build.wait() == "SUCCESS"
        assert zuul.violations == []


def test_a_free_slot_asks_one_server_at_a_time_so_that_no_build_waits_for_a_slot(gearmand: Gearmand) -> None:
    with Gearmand() as second, linked(gearmand.address, second.address) as link:
        for running in (gearmand, second):
            wait_state(link, running.address, connected=True)
        with Zuul(gearmand.port) as zuul, Zuul(second.port) as other:
            for _ in range(5):
                launched = [client.launch("j1") for client in (zuul, other)]
                first = take(link)
                running_jobs = sum(server.status()["build:j1"][1] for server in (gearmand, second))
                assert running_jobs == 1, "the other build waits in its queue, where any worker can take it"
                succeed(first)
                succeed(take(link))
                assert [build.wait() for build in launched] == ["SUCCESS", "SUCCESS"]
            assert zuul.violations + other.violations == []


def test_a_free_slot_is_not_kept_by_a_server_that_does_not_answer(gearmand: Gearmand) -> None:
    with Gearmand() as second, linked(gearmand.address, second.address) as link:
        for running in (gearmand, second):
            wait_state(link, running.address, connected=True)
        gearmand.freeze()
        with Zuul(second.port) as zuul:
            build = zuul.launch("j1")
            assert succeed(take(link))
            assert build.wait() == "SUCCESS"
        gearmand.thaw()


class Fake:
    """A server of the test's own: accepts a build connection and says what the test wants."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._others: list[socket.socket] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def accept(self) -> socket.socket:
        """The next connection that builds come over; that for stop jobs is left alone."""
        while True:
            connection, _ = self._listener.accept()
            received = b""
            while b"host-a" not in received:
                received += connection.recv(65536)
            if b"host-a control" not in received:
                return connection
            self._others.append(connection)

    def close(self) -> None:
        for each in (*self._others, self._listener):
            each.close()


@pytest.fixture
def fake() -> Iterator[Fake]:
    made = Fake()
    yield made
    made.close()


def test_half_a_packet_of_one_server_keeps_no_other_one_waiting(gearmand: Gearmand, fake: Fake) -> None:
    job = packet(gear.constants.JOB_ASSIGN_UNIQ, b"H:1", b"build:j1", b"u1", b"{}").replace(b"REQ", b"RES")
    with Zuul(gearmand.port) as zuul, linked(gearmand.address, fake.address) as link, fake.accept() as connection:
        wait_state(link, gearmand.address, connected=True)
        connection.sendall(job[:20])
        build = zuul.launch("j1")
        assert succeed(take(link))
        assert build.wait() == "SUCCESS"

        taken: queue.Queue[Delivery] = queue.Queue()
        thread = threading.Thread(target=lambda: taken.put(take(link)))
        thread.start()
        wait_until(lambda: link._builds.desk._hands == 1, "a slot waits")
        connection.sendall(job[20:])
        assert taken.get(timeout=TIMEOUT_S).unique == "u1"
        thread.join()


def test_a_late_job_for_which_there_is_no_slot_any_more_is_handed_back(fake: Fake) -> None:
    with linked(fake.address), fake.accept() as connection:
        job = packet(gear.constants.JOB_ASSIGN_UNIQ, b"H:1", b"build:j1", b"u1", b"{}")
        connection.sendall(job.replace(b"REQ", b"RES"))
        connection.settimeout(TIMEOUT_S)
        received = b""
        while packet(gear.constants.WORK_FAIL, b"H:1") not in received:
            received += connection.recv(65536)

    assert b'"verdict": "UNVERIFIED"' in received


@pytest.mark.parametrize("nonsense", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0RES\0\0\0\x1f\0\0\0\0", b"\xff" * 100])
def test_a_server_that_speaks_something_else_is_left_and_tried_again(
    gearmand: Gearmand, fake: Fake, nonsense: bytes
) -> None:
    with linked(fake.address, gearmand.address) as link, Zuul(gearmand.port) as zuul:
        with fake.accept() as connection:
            connection.sendall(nonsense)
            wait_until(lambda: link.servers()[0].last_error, "the fault is noticed")
        fake.accept().close()

        build = zuul.launch("j1")
        assert succeed(take(link))
        assert build.wait() == "SUCCESS"


def test_the_pause_between_tries_grows_with_some_chance_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    pauses: queue.Queue[float] = queue.Queue()

    class Impatient(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pauses.put(timeout or 0.0)
            return super().wait(0.001)

    for name, value in (("FIRST_PAUSE_S", 1.0), ("LONGEST_PAUSE_S", 8.0)):
        monkeypatch.setattr(server, name, value)
    tried = server.Server("a", dial.Dial(parse_address(nobody)), None)  # type: ignore[arg-type]
    tried._closing = Impatient()
    tried.start()
    found = [pauses.get(timeout=TIMEOUT_S) for _ in range(8)]
    tried.close()
    assert tried.join(TIMEOUT_S)

    for number, pause in enumerate(found):
        middle = min(2.0**number, 8.0)
        assert 0.5 * middle <= pause <= 1.5 * middle
    assert len({pause / min(2.0**number, 8.0) for number, pause in enumerate(found)}) > 1
