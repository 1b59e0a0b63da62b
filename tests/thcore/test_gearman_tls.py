from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import gear
import pytest

from thcore.errors import ConfigError, InfrastructureError
from thcore.gearman import admin
from thcore.gearman.address import TlsFiles
from thcore.gearman.client import Submission, SubmissionEventKind, offered
from thcore.gearman.link import Link
from thcore.gearman.zuul import Reply
from thcore.testing.gearmand import Gearmand

from parts.certificates import Authority

pytestmark = [
    pytest.mark.system,
    pytest.mark.filterwarnings(r"ignore:ssl\..* deprecated:DeprecationWarning"),  # gear.Server limits TLS to 1.2
]

TIMEOUT_S = 20.0


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def ours(authority: Authority) -> TlsFiles:
    return authority.issue("worker.example.org")


@contextmanager
def serving(files: TlsFiles) -> Iterator[gear.Server]:
    server = gear.Server(0, host="127.0.0.1", ssl_key=str(files.key), ssl_cert=str(files.cert), ssl_ca=str(files.ca))
    try:
        yield server
    finally:
        if server.running:
            server.shutdown()
        server.poll.close()


def wait_for_error(link: Link) -> str:
    """The first thing that goes wrong with the only server."""
    pause = threading.Event()
    for _ in range(int(TIMEOUT_S / 0.02)):
        (state,) = link.servers()
        if state.last_error is not None:
            assert not state.connected
            return state.last_error
        pause.wait(0.02)
    raise TimeoutError("nothing went wrong")


def succeed(link: Link) -> None:
    while (delivery := link.take()) is not None:
        values = {"name": "j1", "number": delivery.unique, "manager": "host-a", "result": "SUCCESS"}
        delivery.begin(json.dumps({**values, "result": None}).encode())
        delivery.data(json.dumps({**values, "result": None, "filler": "x" * 60_000}).encode())
        delivery.finish(Reply(json.dumps(values).encode(), complete=True))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_builds_run_and_registrations_are_checked_over_tls(authority: Authority, ours: TlsFiles, host: str) -> None:
    with serving(authority.issue(host)) as server:
        address = f"{host}:{server.port}"
        with Link([address], "host-a", on_stop=print, tls=ours) as link:
            assert link.start(["build:j1"])
            threads = [threading.Thread(target=succeed, args=(link,)) for _ in range(2)]
            for thread in threads:
                thread.start()

            for _ in range(5):
                with Submission(address, "j1", {}, tls=ours) as submission:
                    events = list(submission.events(TIMEOUT_S))
                    assert (events[-1].kind, events[-1].result) == (SubmissionEventKind.ENDED, "SUCCESS")
            assert link.check_registered() == ()
            assert offered(address, "j1", tls=ours)
            assert not offered(address, "j2", tls=ours)
        for thread in threads:
            thread.join(TIMEOUT_S)


def test_a_build_is_lost_with_its_server_under_tls(authority: Authority, ours: TlsFiles) -> None:
    links: queue.Queue[bool] = queue.Queue()
    with (
        serving(authority.issue("localhost")) as server,
        Link(
            [f"localhost:{server.port}"], "host-a", on_stop=print, on_link=lambda _, up: links.put(up), tls=ours
        ) as link,
        Submission(f"localhost:{server.port}", "j1", {}, tls=ours),
    ):
        assert link.start(["build:j1"])
        assert links.get(timeout=TIMEOUT_S)
        delivery = link.take()
        assert delivery is not None
        assert delivery.data(b"{}")

        server.shutdown()

        assert delivery.lost.wait(TIMEOUT_S)
        assert not links.get(timeout=TIMEOUT_S)
        assert not delivery.data(b"{}")


def of_another_host(authority: Authority, directory: Path) -> TlsFiles:
    return authority.issue("gearman.example.org")


def of_another_authority(authority: Authority, directory: Path) -> TlsFiles:
    files = Authority(directory / "stranger").issue("localhost")
    return TlsFiles(files.key, files.cert, authority.file)


def expired(authority: Authority, directory: Path) -> TlsFiles:
    return authority.issue("localhost", valid=False)


@pytest.mark.parametrize(
    ("server_files", "words"),
    [
        (of_another_host, "certificate is refused: Hostname mismatch, certificate is not valid for 'localhost'"),
        (of_another_authority, "certificate is refused: unable to get local issuer certificate"),
        (expired, "certificate is refused: certificate has expired"),
    ],
)
def test_a_server_with_a_bad_certificate_is_refused_with_words_that_say_why(
    authority: Authority,
    ours: TlsFiles,
    tmp_path: Path,
    server_files: Callable[[Authority, Path], TlsFiles],
    words: str,
) -> None:
    with serving(server_files(authority, tmp_path)) as server:
        address = f"localhost:{server.port}"
        with Link([address], "host-a", on_stop=print, tls=ours) as link:
            assert not link.start(["build:j1"], wait_s=0.1)

            assert words in wait_for_error(link)
        for ask in (lambda: admin.status(address, tls=ours), Submission(address, "j1", {}, tls=ours).__enter__):
            with pytest.raises(InfrastructureError, match="certificate is refused"):
                ask()


def test_a_server_that_refuses_our_certificate_is_told_in_words(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "stranger").issue("worker.example.org")
    files = TlsFiles(stranger.key, stranger.cert, authority.file)
    with (
        serving(authority.issue("localhost")) as server,
        Link([f"localhost:{server.port}"], "host-a", on_stop=print, tls=files) as link,
    ):
        assert not link.start(["build:j1"], wait_s=0.1)

        assert "no TLS with it: " in (error := wait_for_error(link))
        assert "unknown ca" in error


def test_a_server_that_does_not_speak_tls_is_told_in_words(ours: TlsFiles) -> None:
    with (
        Gearmand() as gearmand,
        Link([f"localhost:{gearmand.port}"], "host-a", on_stop=print, tls=ours) as link,
    ):
        assert not link.start(["build:j1"], wait_s=0.1)

        assert "no TLS with it: " in wait_for_error(link)


def test_with_tls_no_byte_goes_out_in_plain_text(ours: TlsFiles) -> None:
    with socket.create_server(("127.0.0.1", 0)) as recorder:
        link = Link([f"localhost:{recorder.getsockname()[1]}"], "host-a", on_stop=print, tls=ours)
        link.start(["build:j1"], wait_s=0.1)
        recorded = []
        for _ in range(4):  # two connections, and each once again
            connection, _ = recorder.accept()
            with connection:
                connection.settimeout(TIMEOUT_S)
                received = connection.recv(65536)
                connection.sendall(b"OK 1.1.20\n")
                with contextlib.suppress(ConnectionResetError):
                    while part := connection.recv(65536):
                        received += part
                recorded.append(received)
        link.close()

    for received in recorded:
        assert received[:3] == b"\x16\x03\x01", "a TLS record: handshake"
        assert b"REQ" not in received
        assert b"build:" not in received
        assert set(record_types(received)) <= {0x15, 0x16}, "handshake and alert, no data"


def record_types(received: bytes) -> Iterator[int]:
    while received:
        yield received[0]
        received = received[5 + int.from_bytes(received[3:5], "big") :]


def test_files_are_read_again_for_every_connection(authority: Authority, ours: TlsFiles) -> None:
    kept = ours.cert.read_bytes()
    ups: queue.Queue[bool] = queue.Queue()
    with serving(authority.issue("localhost")) as server:
        link = Link([f"localhost:{server.port}"], "host-a", on_stop=print, on_link=lambda _, up: ups.put(up), tls=ours)
        ours.cert.write_text("being renewed")
        with link:
            assert not link.start(["build:j1"], wait_s=0.1)
            assert f"gearman.tls: ssl_cert: {ours.cert} holds no certificate in PEM" in wait_for_error(link)

            ours.cert.write_bytes(kept)

            assert ups.get(timeout=TIMEOUT_S)


def test_unusable_files_are_an_error_of_the_configuration(ours: TlsFiles, tmp_path: Path) -> None:
    files = TlsFiles(tmp_path / "missing.key", ours.cert, ours.ca)

    with pytest.raises(ConfigError, match=r"gearman.tls: ssl_key: .*missing.key cannot be read: No such file"):
        admin.status("localhost:4730", tls=files)
