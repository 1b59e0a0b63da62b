"""What `thcore show` prints; no worker and no configuration exists."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from rich.console import Console

from thcore.cli.main import cli, main
from thcore.cli.outcome import MESSAGE_LIMIT, show_result
from thcore.errors import ExitCode
from thcore.forms import junit, markdown, sarif
from thcore.forms.advice import advice, shown_by
from thcore.forms.legible import bounded
from thcore.model import Finding, Outcome, Publication, Severity
from thcore.model.document import from_json, to_json

from parts.any_outcome import outcomes
from parts.outcomes import cancelled, failing, passing, unverified, watched

MADE = [passing(), failing(), watched(), unverified(), cancelled()]

Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The evidence of a build, as the working directory; no proxy is in the way."""
    (tmp_path / "result.json").write_text(to_json(failing()), "utf-8")
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def answers() -> dict[str, Answer]:
    """What the web server answers, by path."""
    return {}


@pytest.fixture
def server(answers: dict[str, Answer]) -> Iterator[str]:
    """The address of a web server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers.get(self.path, lambda request: request.send_error(404))(self)

        def log_message(self, *_arguments: object) -> None:
            pass

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.daemon_threads = True
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{served.server_port}"
    finally:
        served.shutdown()
        thread.join()
        served.server_close()


def document(content: bytes, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    return answer


def redirection(target: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", target)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


RESULT = document(to_json(failing()).encode("utf-8"))


def shown(*arguments: str, capfdbinary: pytest.CaptureFixture[bytes]) -> tuple[int, str, str]:
    """Exit code and both outputs of the command as a user would see them."""
    with pytest.raises(SystemExit) as caught:
        main(["show", *arguments])
    out, err = capfdbinary.readouterr()
    return int(caught.value.code or 0), out.decode("utf-8"), err.decode("utf-8")


def on_screen(outcome: Outcome, *, terminal: bool = False) -> str:
    text = io.StringIO()
    show_result(
        Console(file=text, width=200, force_terminal=terminal, color_system="standard" if terminal else None), outcome
    )
    return text.getvalue()


def test_the_help_fits_a_terminal_and_has_an_example() -> None:
    output = CliRunner().invoke(cli, ["show", "--help"], terminal_width=80, prog_name="thcore").output
    assert [line for line in output.splitlines() if len(line) > 80] == []
    assert "Example: thcore show https://" in output


@pytest.mark.parametrize("outcome", MADE, ids=lambda one: one.verdict.value)
def test_the_first_lines_say_what_happened_why_and_what_to_do_next(outcome: Outcome) -> None:
    head, _, _ = on_screen(outcome).partition("\n\n")
    first, meaning, *rest = head.splitlines()
    told = advice(outcome)

    assert first == f"{outcome.verdict.value} {outcome.summary}"
    assert meaning == f"  {told.meaning}"
    shown = [line.removeprefix("  Shown by:").strip() for line in rest[: len(shown_by(outcome))]]
    assert shown == list(shown_by(outcome))
    asked = [f"    {action.who}: {action.words}" for action in told.actions]
    assert rest[len(shown) :] == (["  What to do next:", *asked] if asked else [])


def test_the_advice_that_stands_at_the_top_is_not_said_again() -> None:
    assert on_screen(failing()).count("ALGORITHM=INSTANT") == 1


def test_a_result_has_its_build_its_findings_and_its_steps(
    place: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    code, out, err = shown(".", capfdbinary=capfdbinary)

    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert "  Job:      gate-real-db-upgrade_example" in out
    assert "  Change:   example/shop 12345,2 for main at 9b1c6a0d4f7e2835ab90cd12ef345678a1b2c3d4" in out
    assert "  Again:    thcore run --project=example/shop --branch=main " in out
    assert "  Stages:   checkout ok 3.2 s, environment ok 12 s, execute ok 5 m 31 s, analyse ok 0.6 s" in out
    assert "  failure migration-too-slow: Step b5d083fa1c46 read 4,549,686 rows" in out
    assert "    observer: b5d083fa1c46 took 74.3 s" in out
    assert "  Dataset shop-mariadb on MariaDB 10.11.6" in out
    assert out.index("failure migration-too-slow") < out.index("warning deprecated-call") < out.index("Dataset")


def test_a_terminal_has_colours() -> None:
    assert "\x1b[1;31mFAILURE\x1b[0m" in on_screen(failing(), terminal=True)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(outcome=outcomes)
def test_nothing_that_others_have_written_steers_the_terminal_and_every_finding_is_there(outcome: Outcome) -> None:
    text = on_screen(outcome)

    assert all(char.isprintable() or char in "\n\t\u00a0" for char in text)
    lines = text.splitlines()
    for finding in outcome.findings:
        message = bounded(finding.message, MESSAGE_LIMIT).replace("\t", "")
        told = f"  {finding.severity.value} {bounded(finding.code, 10**6)}: {message}".replace("\t", "")
        assert any(re.sub(r"\s", "", line).startswith(re.sub(r"\s", "", told)) for line in lines)


def test_a_message_without_end_is_cut() -> None:
    endless = Finding("x", Severity.FAILURE, "m" * 1_000_000, evidence=("e" * 1_000_000,), hint="h" * 1_000_000)
    text = on_screen(evolve(failing(), summary="s" * 1_000_000, findings=(endless,), datasets=()))

    assert len(text) < 8 * MESSAGE_LIMIT
    assert "(1,000,000 characters)" in text


@pytest.mark.parametrize(
    ("form", "made"),
    [
        ("json", to_json(from_json(to_json(failing())))),
        ("junit", junit.to_xml(failing())),
        ("sarif", sarif.to_json(failing())),
        ("markdown", markdown.to_markdown(failing())),
    ],
)
def test_other_forms_are_printed_as_they_are(
    place: Path, form: str, made: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert shown("--format", form, "result.json", capfdbinary=capfdbinary) == (0, made, "")


def test_json_is_a_word_of_its_own_as_with_every_command(
    place: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    code, out, err = shown("--json", ".", capfdbinary=capfdbinary)

    assert (code, err) == (0, "")
    assert from_json(out) == failing()


def test_a_comment_can_be_shorter(place: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    long = evolve(failing(), findings=failing().findings * 50)
    (place / "result.json").write_text(to_json(long), "utf-8")
    _, out, _ = shown("--format", "markdown", "--limit", "10000", ".", capfdbinary=capfdbinary)

    assert len(out) <= 10_000
    assert "result.json has everything" in out


def test_a_result_is_found_by_file_directory_page_and_address_of_a_file(
    place: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (place / "index.html").write_text("<p>page")
    for where in ("result.json", ".", str(place), "index.html", (place / "index.html").as_uri()):
        code, out, _ = shown(where, capfdbinary=capfdbinary)
        assert (code, out.split()[0]) == (0, "FAILURE"), where


def test_a_result_is_read_from_standard_input(place: Path) -> None:
    with (place / "result.json").open() as file:
        result = CliRunner().invoke(cli, ["show", "--json", "-"], input=file.read(), prog_name="thcore")
    assert json.loads(result.output)["verdict"] == "FAILURE"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a result.json"),
        (b"[" * 100_000, "not a result.json"),
        (b"\xff\xfe", "it is no text in UTF-8"),
        (to_json(failing()).replace('"schema_version": 1', '"schema_version": 9').encode(), "newer than this thcore"),
        (to_json(failing()).replace('"attempt": 1', '"attempt": "x"').encode(), "@ $.attempt"),
        (
            to_json(failing()).replace('"wall_s": 74.3', '"wall_s": NaN').encode(),
            "expected float @ $.datasets[1].steps[10].measurement.wall_s",
        ),
        (to_json(failing()).replace("53+00:00", "53").encode(), "expected datetime @ $.started"),
    ],
)
def test_what_is_no_result_is_refused_with_a_reason(
    place: Path, content: bytes, reason: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (place / "result.json").write_bytes(content)
    code, out, err = shown(".", capfdbinary=capfdbinary)

    assert (code, out) == (ExitCode.USAGE, "")
    assert reason in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("absent", "Error: there is no absent"),
        ("docs", "Error: there is no docs/result.json"),
        ("ftp://example.org/result.json", "only addresses of http and https are read"),
        ("http://[", "is no address"),
        ("https://me:s3cret@example.org/", "an address of example.org with a password is not used"),
    ],
)
def test_where_there_is_no_result_is_said(
    place: Path, where: str, reason: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (place / "docs").mkdir()
    code, _, err = shown(where, capfdbinary=capfdbinary)

    assert code == ExitCode.USAGE
    assert reason in " ".join(err.split())
    assert "s3cret" not in err


@pytest.mark.parametrize(
    "page", ["/b/1/", "/b/1", "/b/1/index.html", "/b/1/console.log.html#L12", "/b/1/result.json", "/b/1/index.html?x=1"]
)
def test_the_result_beside_a_page_is_fetched(
    place: Path, page: str, server: str, answers: dict[str, Answer], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    answers["/b/1/result.json"] = RESULT
    code, out, err = shown(server + page, capfdbinary=capfdbinary)

    assert (code, err) == (0, "")
    assert out.startswith("FAILURE ")


def test_a_result_may_come_compressed_from_elsewhere_and_from_a_path_with_any_letters(
    place: Path, server: str, answers: dict[str, Answer], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    answers["/j%C3%B6b/result.json"] = redirection(f"{server}/real.json")
    answers["/real.json"] = document(gzip.compress(to_json(failing()).encode()), Content_Encoding="gzip")

    assert shown(f"{server}/jöb/", capfdbinary=capfdbinary)[0] == 0


def test_nothing_but_the_address_is_told_to_the_server(
    place: Path, server: str, answers: dict[str, Answer], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    heard: dict[str, str] = {}

    def answer(request: BaseHTTPRequestHandler) -> None:
        heard.update(request.headers.items())
        RESULT(request)

    answers["/result.json"] = answer
    shown(f"{server}/", capfdbinary=capfdbinary)

    assert set(heard) == {"Host", "User-Agent", "Accept-Encoding", "Connection"}


def test_a_page_without_a_result_is_said(place: Path, server: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    code, _, err = shown(f"{server}/x/index.html", capfdbinary=capfdbinary)

    assert code == ExitCode.USAGE
    assert f"{server}/x/result.json is not there; is {server}/x/index.html the page of a build?" in " ".join(
        err.split()
    )


def test_a_server_that_gives_no_result_is_unavailable(
    place: Path,
    server: str,
    answers: dict[str, Answer],
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    monkeypatch.setattr("thcore.cli.retrieval.MOST", 50_000)
    packed = gzip.compress(bytes(10_000_000))
    answers |= {
        "/forbidden/result.json": lambda request: request.send_error(403),
        "/broken/result.json": lambda request: request.send_error(500),
        "/large/result.json": document(bytes(60_000)),
        "/bomb/result.json": document(packed, Content_Encoding="gzip"),
        "/cut/result.json": document(packed[:-9], Content_Encoding="gzip"),
        "/loop/result.json": redirection(f"{server}/loop/result.json"),
        "/ftp/result.json": redirection("ftp://127.0.0.1/result.json"),
        "/file/result.json": redirection((place / "result.json").as_uri()),
    }
    for name, reason in {
        "forbidden": "403 Forbidden; thcore logs in nowhere",
        "broken": "500 Internal Server Error",
        "large": "it is larger than 50000 bytes",
        "bomb": "it is larger than 50000 bytes",
        "cut": "it is larger than 50000 bytes",
        "loop": "infinite loop",
        "ftp": "unknown url type: ftp",
        "file": "is not allowed",
    }.items():
        code, out, err = shown(f"{server}/{name}/", capfdbinary=capfdbinary)
        assert (code, out) == (ExitCode.UNAVAILABLE, ""), name
        assert f"Error: {server}/{name}/result.json cannot be read: " in err
        assert reason in err
        assert "Traceback" not in err


@pytest.mark.parametrize("after", ["", "HTTP/1.0 200 OK\r\nX: ", "HTTP/1.0 200 OK\r\n\r\n"])
def test_nobody_is_waited_for_without_end(
    place: Path,
    server: str,
    answers: dict[str, Answer],
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    after: str,
) -> None:
    over = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(after.encode("ascii"))
        with contextlib.suppress(OSError):  # who has waited long enough goes away
            while not over.wait(0.01):
                request.wfile.write(b" ")

    answers["/result.json"] = drip
    monkeypatch.setattr("thcore.cli.retrieval.WITHIN_S", 0.3)
    began = time.monotonic()
    code, _, err = shown(f"{server}/", capfdbinary=capfdbinary)
    took = time.monotonic() - began
    over.set()

    assert code == ExitCode.UNAVAILABLE
    assert "has not come within" in err or "comes too slowly" in err
    assert took < 20


def test_a_server_that_is_not_there_is_unavailable(place: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    code, _, err = shown("http://127.0.0.1:9/", capfdbinary=capfdbinary)

    assert code == ExitCode.UNAVAILABLE
    assert "cannot be read: " in err


def test_the_evidence_is_named(place: Path) -> None:
    published = evolve(failing(), publications=(Publication("https://logs.example.org/1/"),))

    assert "  Evidence: https://logs.example.org/1/" in on_screen(published)
