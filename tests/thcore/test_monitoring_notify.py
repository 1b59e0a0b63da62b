from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from thcore.monitoring.notify import Notifier
from thcore.monitoring.pulse import Pulse


class Systemd:
    """The receiving end, as the service manager has it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self.socket.settimeout(10)

    def heard(self) -> list[str]:
        """The lines of the next message."""
        return self.socket.recv(65536).decode().split("\n")

    def silent(self) -> bool:
        self.socket.settimeout(0)
        try:
            self.socket.recv(1)
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(10)
        return False


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest) -> Iterator[Systemd]:
    place = Path(tempfile.mkdtemp(prefix="notify-"))  # short enough for a socket, wherever the tests run
    address = str(place / "notify") if request.param == "path" else f"@thcore-test-{secrets.token_hex(8)}"
    manager = Systemd(address)
    with closing(manager.socket):
        yield manager
    shutil.rmtree(place)


def test_systemd_hears_each_turn_of_a_workers_life(systemd: Systemd) -> None:
    notifier = Notifier(systemd.address)

    notifier.ready("2 slots free")
    assert systemd.heard() == ["READY=1", "STATUS=2 slots free"]
    notifier.status("1 of 2 slots busy")
    assert systemd.heard() == ["STATUS=1 of 2 slots busy"]
    notifier.stopping("finishing 1 build")
    assert systemd.heard() == ["STOPPING=1", "STATUS=finishing 1 build"]


def test_a_reload_carries_the_time_of_the_monotonic_clock(systemd: Systemd) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    Notifier(systemd.address).reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000

    first, second = systemd.heard()
    assert first == "RELOADING=1"
    name, _, value = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(value) <= after


def test_the_status_of_others_adds_no_line_of_its_own(systemd: Systemd) -> None:
    Notifier(systemd.address).status("waiting\nSTOPPING=1\r\n\u2028 MAINPID=1")

    assert systemd.heard() == ["STATUS=waiting STOPPING=1 MAINPID=1"]


def test_the_watchdog_hears_a_beat_per_half_interval_however_often_the_loop_comes_round(systemd: Systemd) -> None:
    now = 100.0
    notifier = Notifier(systemd.address, 20.0, clock=lambda: now)

    assert notifier.beat_s == 10.0
    notifier.beat()
    assert systemd.heard() == ["WATCHDOG=1"]
    now += 1.0
    notifier.beat()
    assert systemd.silent()
    now += 8.9  # a little early
    notifier.beat()
    assert systemd.heard() == ["WATCHDOG=1"]


def test_without_a_watchdog_no_beat_is_sent(systemd: Systemd) -> None:
    notifier = Notifier(systemd.address)

    notifier.beat()
    assert notifier.beat_s is None
    assert systemd.silent()


def test_the_environment_says_where_and_is_cleared_of_it(systemd: Systemd) -> None:
    environ = {
        "NOTIFY_SOCKET": systemd.address,
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
        "PATH": "/bin",
    }

    notifier = Notifier.from_environment(environ)

    assert environ == {"PATH": "/bin"}
    assert notifier.beat_s == 15.0
    notifier.ready()
    assert systemd.heard() == ["READY=1"]


@pytest.mark.parametrize(
    "environ",
    [
        {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "0"},
        {},
    ],
    ids=["of another process", "no number", "never", "none"],
)
def test_a_watchdog_that_is_not_ours_is_left_alone(environ: dict[str, str]) -> None:
    assert Notifier.from_environment(environ).beat_s is None
    assert environ == {}


@pytest.mark.parametrize("address", [None, "/nonexistent/notify", "@nobody-listens", f"/{'x' * 200}"])
def test_a_manager_that_cannot_be_told_stops_nobody(address: str | None) -> None:
    notifier = Notifier(address, 1.0)

    for tell in (notifier.ready, notifier.reloading, notifier.stopping, notifier.beat):
        tell()


def test_an_address_of_another_kind_is_named_and_not_used(caplog: pytest.LogCaptureFixture) -> None:
    environ = {"NOTIFY_SOCKET": "vsock:2:1234"}

    Notifier.from_environment(environ).ready()

    assert "vsock:2:1234" in caplog.text
    assert environ == {}


@pytest.mark.system
def test_programs_of_builds_cannot_speak_for_the_worker(systemd: Systemd) -> None:
    program = (
        "import os, subprocess, sys\n"
        "from thcore.monitoring.notify import Notifier\n"
        "notifier = Notifier.from_environment()\n"
        'child = \'import os; print([name for name in os.environ if name.startswith(("NOTIFY", "WATCHDOG"))])\'\n'
        "subprocess.run([sys.executable, '-c', child], check=True)\n"
        "notifier.ready()\n"
    )
    environ = {**os.environ, "NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "1000000"}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
    assert systemd.heard() == ["READY=1"]


def test_a_loop_is_alive_as_long_as_it_comes_round_in_time() -> None:
    now = 0.0
    pulse = Pulse(30.0, clock=lambda: now)

    assert pulse.alive()
    now = 30.0
    assert pulse.alive()
    now = 30.1
    assert not pulse.alive()
    pulse.beat()
    assert pulse.alive()
