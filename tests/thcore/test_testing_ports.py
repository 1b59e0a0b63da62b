"""Ports for servers of tests."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from thcore.testing import ports


def test_a_port_is_none_that_the_system_hands_out_while_its_server_is_away() -> None:
    handed_out = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])

    assert all(port < handed_out for _ in range(20) for port in ports.free_ports(5))


def test_ports_differ_and_each_can_be_listened_on() -> None:
    found = ports.free_ports(50)

    assert len(set(found)) == 50
    for port in found:
        socket.create_server(("127.0.0.1", port)).close()


def test_a_port_that_somebody_listens_on_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, free = ports.free_ports(2)
    wanted = iter([taken, free])
    monkeypatch.setattr(ports, "_candidate", lambda: next(wanted))

    with socket.create_server(("127.0.0.1", taken)):
        assert ports.free_port() == free


@pytest.mark.parametrize("said", ["1024\t65535\n", "", "?"])
def test_a_machine_that_hands_out_all_ports_or_does_not_say_gives_free_ones(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "range").write_text(said)
    monkeypatch.setattr(ports, "_RANGE", tmp_path / "range")

    assert len(ports.free_ports(3)) == 3
