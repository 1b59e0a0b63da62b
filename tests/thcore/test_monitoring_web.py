from __future__ import annotations

import contextlib
import errno
import http.client
import json
import logging
import os
import re
import socket
import stat
import subprocess
import sys
import threading
import wsgiref.util
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest
from attrs import evolve, frozen
from prometheus_client.parser import text_string_to_metric_families

from thcore.config import WebConfig
from thcore.errors import InfrastructureError
from thcore.model import StageRun, Verdict
from thcore.model.outcome import StageName, StageResult
from thcore.monitoring import door, server
from thcore.monitoring.metrics import METRICS, Metrics
from thcore.monitoring.page import render
from thcore.monitoring.server import CONNECTIONS, Server
from thcore.monitoring.status import ServerStatus, Status
from thcore.monitoring.web import App
from thcore.testing.ports import free_port

from parts.outcomes import failing
from parts.status import busy, hostile, idle, paused

ROUTES = ("/", "/live", "/ready", "/metrics", "/status.json")


@frozen
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Worker:
    """What the application asks; a status may be an error."""

    def __init__(self, status: Status | Exception) -> None:
        self.told = status
        self.beats = True
        self.asked = 0
        self.metrics = Metrics(self.status)
        self.app = App(self.status, lambda: self.beats, self.metrics)

    def status(self) -> Status:
        self.asked += 1
        if isinstance(self.told, Exception):
            raise self.told
        return self.told

    def get(self, path: str, method: str = "GET", **headers: str) -> Response:
        """Call the application as a server does, which is held to the letter of the WSGI specification."""
        environ: dict[str, Any] = {
            "PATH_INFO": path,
            "REQUEST_METHOD": method,
            "QUERY_STRING": "",
            "SCRIPT_NAME": "",
            **headers,
        }
        wsgiref.util.setup_testing_defaults(environ)
        found: list[Any] = []

        def start(status: str, sent: list[tuple[str, str]], _error: object = None) -> Any:
            found.extend((int(status[:3]), dict(sent)))
            return found.append

        answer = validator(self.app)(environ, start)
        body = b"".join(answer)
        answer.close()  # type: ignore[attr-defined] # the validator's own
        return Response(found[0], found[1], body)


# The routes.


def test_a_ready_worker_says_so_and_another_says_why_not() -> None:
    worker = Worker(idle())
    assert (worker.get("/ready").status, worker.get("/ready").text) == (200, "ready\n")

    worker.told = evolve(paused(), servers=(ServerStatus("a:1", connected=False),))
    answer = worker.get("/ready")
    assert answer.status == 503
    assert answer.text.splitlines() == list(worker.told.not_ready)


def test_each_reason_is_one_line_whatever_is_in_it() -> None:
    assert len(Worker(hostile()).get("/ready").text.splitlines()) == len(hostile().not_ready)


def test_alive_means_that_the_main_loop_turns_and_nothing_else() -> None:
    worker = Worker(RuntimeError("the status cannot be told"))
    assert (worker.get("/live").status, worker.asked) == (200, 0)

    worker.told, worker.beats = idle(), False
    answer = worker.get("/live")
    assert (answer.status, worker.asked) == (503, 0)
    assert "main loop" in answer.text


def test_a_worker_without_any_server_is_alive_and_not_ready() -> None:
    worker = Worker(evolve(idle(), servers=(ServerStatus("a:1", connected=False),)))

    assert (worker.get("/live").status, worker.get("/ready").status) == (200, 503)


def test_the_document_is_the_status() -> None:
    answer = Worker(busy()).get("/status.json")

    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(answer.body)["worker"]["name"] == "gate-1-998"


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "status", [idle(), busy(), paused(), hostile("\ud800\x00")], ids=["idle", "busy", "paused", "odd"]
)
def test_a_head_gets_the_headers_of_a_get_and_no_content(path: str, status: Status) -> None:
    worker = Worker(status)
    got, headed = worker.get(path), worker.get(path, "HEAD")

    assert (headed.status, headed.body) == (got.status, b"")
    assert got.status == (503 if path == "/ready" and not status.ready else 200)
    assert headed.headers.keys() == got.headers.keys()
    if path != "/metrics":  # the process itself has moved on meanwhile
        assert headed.headers["Content-Length"] == got.headers["Content-Length"] == str(len(got.body))


@pytest.mark.parametrize("path", ["/nothing", "/status", "//", "/../etc/passwd", "/live/"])
def test_what_is_not_there_is_answered_in_words(path: str) -> None:
    answer = Worker(idle()).get(path)

    assert answer.status == 404
    assert "/status.json" in answer.text
    assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_can_be_changed(method: str) -> None:
    answer = Worker(idle()).get("/", method)

    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert "not changed" in answer.text


@pytest.mark.parametrize("path", [*ROUTES, "/nothing"])
def test_every_answer_keeps_browsers_on_a_short_lead(path: str) -> None:
    headers = Worker(idle()).get(path).headers

    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["/", "/ready", "/metrics", "/status.json"])
def test_a_fault_is_answered_without_its_details_which_are_in_the_log(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = Worker(RuntimeError("inner workings")).get(path)

    assert answer.status == 500
    assert "inner workings" not in answer.text
    assert "inner workings" in caplog.text


def test_requests_are_logged_for_those_who_look_for_them(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        Worker(idle()).get("/live", REMOTE_ADDR="127.0.0.1")

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", "127.0.0.1 GET /live: 200")
    ]


# The page.


class Markup(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._silent = False
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._silent = tag in {"style", "script"}

    def handle_endtag(self, _tag: str) -> None:
        self._silent = False

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)


def test_the_page_tells_the_whole_status_without_a_script() -> None:
    text = Markup(render(busy()).html).text

    for told in ("Ready", "2 of 4", "gate-real-db-upgrade_nova_mysql", "openstack/nova 123456,3", "execute", "87 %"):
        assert told in text
    for told in ("dataset user_001 (229 of 240)", "12 m 34 s", "zuul-b.example.org:4730", "connection refused"):
        assert told in text
    for told in ("UNVERIFIED", "The server would not start", "attempt 3", "/srv/logs", "212.0 GiB", "in quarantine"):
        assert told in text


def test_the_page_says_why_no_builds_are_taken() -> None:
    text = Markup(render(paused()).html).text

    assert "Not ready" in text
    assert "/var/lib/thcore has 0.4 GiB left, less than 2 GiB" in text


def test_the_page_of_an_idle_worker_says_that_there_is_nothing() -> None:
    text = Markup(render(idle()).html).text

    assert "Running builds None." in text
    assert "None since the worker started." in text


def test_what_others_have_written_stays_text() -> None:
    text = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> {{ 7 * 7 }}"
    page = Markup(render(hostile(text)).html)

    assert [tag for tag, _ in page.tags if tag in {"script", "img"}] == ["script"]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on") or name == "style"]
    assert "{{ 7 * 7 }}" in page.text


def test_only_addresses_of_the_web_become_links() -> None:
    links = [attributes["href"] for tag, attributes in Markup(render(hostile()).html).tags if tag == "a"]
    assert links == ["status.json", "metrics", "ready"]

    links = [attributes["href"] for tag, attributes in Markup(render(busy()).html).tags if tag == "a"]
    assert links[:2] == ["https://logs.example.org/1/", "https://logs.example.org/2/"]


def test_the_page_stands_alone_and_runs_its_own_script_only() -> None:
    first, second = render(busy()), render(busy())
    page = Markup(first.html)
    outside = [value for _, attributes in page.tags for name, value in attributes.items() if name == "src"]
    nonces = {attributes.get("nonce") for tag, attributes in page.tags if tag in {"style", "script"}}

    assert outside == []
    assert first.policy != second.policy
    assert re.findall(r"'nonce-([^']+)'", first.policy) == [nonces.pop()] * 2
    assert not nonces
    assert ("meta", {"http-equiv": "refresh", "content": "10"}) in page.tags


@pytest.mark.system
def test_the_template_engine_is_loaded_for_the_first_who_looks() -> None:
    program = (
        "import sys, wsgiref.util\n"
        "sys.path.insert(0, 'tests')\n"
        "from parts.status import idle\n"
        "from thcore.monitoring.metrics import Metrics\n"
        "from thcore.monitoring.server import Server\n"
        "from thcore.monitoring.web import App\n"
        "app = App(idle, lambda: True, Metrics(idle))\n"
        "def ask(path):\n"
        "    environ = {'PATH_INFO': path}\n"
        "    wsgiref.util.setup_testing_defaults(environ)\n"
        "    app(environ, lambda *_: None)\n"
        "    return 'jinja2' in sys.modules\n"
        "print([ask(path) for path in ('/live', '/ready', '/metrics', '/status.json', '/')])\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[False, False, False, False, True]"


# The metrics.


def samples(worker: Worker) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(worker.get("/metrics").text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def value(worker: Worker, name: str, **labels: str) -> float:
    return samples(worker)[name, tuple(sorted(labels.items()))]


def filled() -> Worker:
    """A worker with at least one value of every metric."""
    worker = Worker(busy())
    worker.metrics.build_ended(failing())
    worker.metrics.refused("arguments")
    worker.metrics.reconnected("zuul-b.example.org:4730")
    return worker


def test_the_metrics_that_are_told_are_those_that_are_documented() -> None:
    told = {
        family.name: family
        for family in text_string_to_metric_families(filled().get("/metrics").text)
        if not family.name.endswith("_created")
    }
    documented = {metric.name.removesuffix("_total"): metric for metric in METRICS}

    assert {name for name in told if not name.startswith("process_")} == documented.keys()
    assert "process_resident_memory_bytes" in told
    for name, metric in documented.items():
        family = told[name]
        assert (family.type, family.documentation) == (metric.kind, metric.meaning)
        assert family.samples, name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels), name


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_is_named_by_the_conventions_and_explained_in_a_sentence(metric: Any) -> None:
    assert re.fullmatch(r"thcore(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.meaning.endswith(".")
    assert "_ms" not in metric.name
    assert "_minutes" not in metric.name


def test_outcomes_are_counted_by_job_and_verdict_with_their_times() -> None:
    worker = Worker(idle())
    outcome = failing()
    worker.metrics.build_ended(outcome)
    worker.metrics.build_ended(evolve(outcome, verdict=Verdict.SUCCESS))
    worker.metrics.build_ended(evolve(outcome, verdict=Verdict.SUCCESS))

    assert value(worker, "thcore_builds_total", job=outcome.job, verdict="FAILURE") == 1
    assert value(worker, "thcore_builds_total", job=outcome.job, verdict="SUCCESS") == 2
    assert value(worker, "thcore_build_duration_seconds_count", job=outcome.job) == 3
    assert value(worker, "thcore_build_duration_seconds_sum", job=outcome.job) == pytest.approx(3 * outcome.duration_s)
    assert value(worker, "thcore_stage_duration_seconds_count", stage="execute") == 3


def test_a_stage_that_did_not_run_took_no_time() -> None:
    worker = Worker(idle())
    skipped = StageRun(StageName.PUBLISH, StageResult.SKIPPED)
    worker.metrics.build_ended(evolve(failing(), stages=(skipped,)))

    assert ("thcore_stage_duration_seconds_count", (("stage", "publish"),)) not in samples(worker)


def test_jobs_and_servers_that_are_expected_start_at_zero() -> None:
    worker = Worker(idle())
    worker.metrics.expect(["gate-shop"], ["a:4730"])

    for verdict in Verdict:
        assert value(worker, "thcore_builds_total", job="gate-shop", verdict=verdict.value) == 0
    assert value(worker, "thcore_link_reconnects_total", server="a:4730") == 0


def test_gauges_are_what_the_status_says_at_the_moment() -> None:
    worker = filled()

    assert value(worker, "thcore_ready") == 1
    assert (value(worker, "thcore_slots"), value(worker, "thcore_slots_busy")) == (4, 2)
    assert value(worker, "thcore_oldest_build_age_seconds") == 754
    assert value(worker, "thcore_link_up", server="zuul-a.example.org:4730") == 1
    assert value(worker, "thcore_link_up", server="zuul-b.example.org:4730") == 0
    assert value(worker, "thcore_spool_results") == 2
    assert value(worker, "thcore_spool_oldest_age_seconds") == 610
    assert value(worker, "thcore_disk_free_bytes", path="/srv/logs", purpose="publishing") == 0
    assert value(worker, "thcore_phase", phase="serving") == 1
    worker.told = paused()
    assert value(worker, "thcore_ready") == 0
    assert value(worker, "thcore_phase", phase="serving") == 0
    assert value(worker, "thcore_phase", phase="paused") == 1
    assert value(worker, "thcore_history_up") == 0


def test_one_scrape_sees_one_status() -> None:
    worker = Worker(busy())
    worker.get("/metrics")

    assert worker.asked == 1


def test_a_server_that_is_connected_and_deaf_can_be_told_from_one_that_is_not() -> None:
    worker = Worker(evolve(idle(), servers=(ServerStatus("a:1", connected=True, problem="knows nothing"),)))

    assert (value(worker, "thcore_link_up", server="a:1"), value(worker, "thcore_link_registered", server="a:1")) == (
        1,
        0,
    )


def test_labels_of_others_do_not_break_the_format() -> None:
    text = 'a"b\\c\nd{}'
    worker = Worker(hostile(text))

    assert value(worker, "thcore_link_up", server=text) == 1


def test_prometheus_may_ask_for_openmetrics() -> None:
    answer = filled().get("/metrics", HTTP_ACCEPT="application/openmetrics-text; version=1.0.0")

    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")


def test_two_workers_in_one_process_have_metrics_of_their_own() -> None:
    first, second = Worker(idle()), Worker(idle())
    first.metrics.refused("arguments")

    assert value(first, "thcore_refused_builds_total", reason="arguments") == 1
    assert ("thcore_refused_builds_total", (("reason", "arguments"),)) not in samples(second)


# The server.


@contextlib.contextmanager
def served(worker: Worker, host: str = "127.0.0.1") -> Iterator[int]:
    """The port at which a worker answers."""
    port = free_port()
    shown = f"[{host}]" if ":" in host else host
    with Server(worker.app, server.listen(WebConfig(f"{shown}:{port}"))):
        yield port


def fetch(port: int, path: str = "/ready", host: str = "127.0.0.1") -> Response:
    connection = http.client.HTTPConnection(host, port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return Response(answer.status, dict(answer.getheaders()), answer.read())


@pytest.mark.system
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_the_status_is_served_where_the_configuration_says(host: str) -> None:
    with served(Worker(busy()), host) as port:
        answer = fetch(port, host="127.0.0.1" if host == "127.0.0.1" else host)

    assert (answer.status, answer.text) == (200, "ready\n")
    assert answer.headers["Server"] == "thcore"


@pytest.mark.system
def test_slow_clients_keep_nobody_waiting() -> None:
    with served(Worker(idle())) as port, contextlib.ExitStack() as stack:
        for sent in (b"", b"GET /metr", b"GET / HTTP/1.1\r\nHost: x\r\n") * 8:
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.sendall(sent)
        unread = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        unread.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 50)

        assert CONNECTIONS > 25
        assert [fetch(port).status for _ in range(20)] == [200] * 20


@pytest.mark.system
@pytest.mark.parametrize(
    "sent",
    [b"\x00\xff\x16\x03\x01\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"G" * 100_000],
    ids=["TLS", "no address", "no length", "endless"],
)
def test_a_server_survives_what_is_no_request(sent: bytes) -> None:
    with served(Worker(idle())) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client, contextlib.suppress(OSError):
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
        assert fetch(port).status == 200


@pytest.mark.system
def test_a_body_is_limited() -> None:
    with served(Worker(idle())) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with contextlib.closing(connection):
            connection.request("POST", "/", headers={"Content-Length": "1000000000"})
            assert connection.getresponse().status == 413


@pytest.mark.system
def test_a_port_that_is_taken_is_named_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InfrastructureError) as caught:
            server.listen(WebConfig(port))

    assert str(caught.value) == (
        f"web.listen: cannot listen at {port}: {os.strerror(errno.EADDRINUSE)}; choose another, or free it"
    )


@pytest.mark.parametrize("place", ["192.0.2.1:9477", "no-such-host.invalid:9477"])
def test_an_address_that_is_not_ours_is_named(place: str) -> None:
    with pytest.raises(InfrastructureError, match=f"web.listen: cannot listen at {place}: "):
        server.listen(WebConfig(place))


@pytest.mark.system
def test_a_server_is_closed_also_when_something_else_has_just_ended_its_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    running = Server(Worker(busy()).app, server.listen(WebConfig(f"127.0.0.1:{port}")))
    rouse = running._server.pull_trigger

    def later() -> None:
        with socket.create_connection(("127.0.0.1", port)):
            running._thread.join(0.5)  # time enough for a loop that was roused by the caller to end
        rouse()

    monkeypatch.setattr(running._server, "pull_trigger", later)
    running.close()

    assert not running._thread.is_alive()


@pytest.mark.system
def test_a_closed_server_leaves_neither_threads_nor_the_port() -> None:
    before = set(threading.enumerate())
    with served(Worker(idle())) as port, socket.create_connection(("127.0.0.1", port)):
        assert fetch(port).status == 200
    for thread in set(threading.enumerate()) - before:
        thread.join(10)

    assert set(threading.enumerate()) <= before
    with socket.create_server(("127.0.0.1", port)):
        pass


@pytest.mark.system
def test_an_address_that_others_can_reach_is_allowed_and_noted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), contextlib.closing(server.listen(WebConfig(f"0.0.0.0:{free_port()}"))):
        assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]
        assert "there is no password" in caplog.text


# The Unix socket.


@pytest.mark.system
def test_a_worker_answers_below_its_state_directory_to_its_own_user_only(tmp_path: Path) -> None:
    with Server(Worker(busy()).app, door.listen(tmp_path)):
        found = (tmp_path / door.NAME).stat()
        assert stat.S_ISSOCK(found.st_mode)
        assert stat.S_IMODE(found.st_mode) == 0o600
        assert door.ask(tmp_path) == busy()
    door.remove(tmp_path)
    door.remove(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.system
def test_the_state_directory_may_lie_deep(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["directory-with-a-long-name"] * 8)
    deep.mkdir(parents=True)
    assert len(bytes(deep)) > 200

    with Server(Worker(busy()).app, door.listen(deep)):
        assert door.ask(deep) == busy()


@pytest.mark.system
def test_the_socket_of_a_dead_worker_is_replaced(tmp_path: Path) -> None:
    door.listen(tmp_path).close()
    with pytest.raises(InfrastructureError, match="the one that made it has died"):
        door.ask(tmp_path)

    with Server(Worker(busy()).app, door.listen(tmp_path)):
        assert door.ask(tmp_path) == busy()


@pytest.mark.system
def test_the_socket_of_a_living_worker_is_not(tmp_path: Path) -> None:
    with Server(Worker(busy()).app, door.listen(tmp_path)):
        with pytest.raises(InfrastructureError, match="another worker answers at"):
            door.listen(tmp_path)
        assert door.ask(tmp_path) == busy()


@pytest.mark.system
def test_a_worker_that_stands_still_is_told_from_one_that_is_gone(tmp_path: Path) -> None:
    listener = door.listen(tmp_path)
    listener.listen()
    with contextlib.closing(listener), pytest.raises(InfrastructureError, match="does not answer in time"):
        door.ask(tmp_path, timeout_s=0.2)


@pytest.mark.parametrize(
    ("place", "said"),
    [("missing", "there is no .*/missing/status.sock; is it running"), ("file", "is no state directory of a worker")],
)
def test_where_no_worker_is_the_place_is_named(tmp_path: Path, place: str, said: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InfrastructureError, match=said):
        door.ask(tmp_path / place)


@pytest.mark.system
def test_a_worker_that_cannot_tell_its_status_says_so(tmp_path: Path) -> None:
    with (
        Server(Worker(RuntimeError("odd")).app, door.listen(tmp_path)),
        pytest.raises(InfrastructureError, match="the worker's log says why"),
    ):
        door.ask(tmp_path)


def test_a_state_directory_that_cannot_hold_a_socket_is_named(tmp_path: Path) -> None:
    (tmp_path / door.NAME).mkdir()
    with pytest.raises(InfrastructureError, match=f"cannot make the socket {tmp_path}/status.sock"):
        door.listen(tmp_path)
