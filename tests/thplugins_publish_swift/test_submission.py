"""Publishing in Zuul's forms, to the real middleware."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from thcore.config import convert
from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import Publication
from thcore.model.document import from_json
from thcore.testing import make_build
from thcore.testing.swift import Swift
from thplugins_publish_swift import patience
from thplugins_publish_swift.instructions import Instructions
from thplugins_publish_swift.options import PublishSwiftOptions
from thplugins_publish_swift.plugin import plugin

from parts.evidence import keep, outcome_of, site_of
from parts.swift import KEY, Container, container

pytestmark = pytest.mark.system

LOG_PATH = "45/12345/2/check/JOB/abc1234"
Launch = Callable[..., Any]


@pytest.fixture
def logs(swift: Swift) -> Container:
    """A container with the key that Zuul knows, to be read by everyone."""
    made = container(swift)
    made.make(X_Container_Meta_Temp_URL_Key=KEY, X_Container_Read=".r:*")
    return made


@pytest.fixture
def launch(tmp_path: Path, logs: Container) -> Launch:
    """A build whose parameters are Zuul's."""

    @contextmanager
    def launched(attempt: int = 1, **instructions: Any) -> Iterator[Build]:
        parameters = logs.instructions(LOG_PATH, **instructions)
        with make_build(tmp_path, log_path=LOG_PATH, parameters=parameters, attempt=attempt) as build:
            build.log("hello")
            yield build

    return launched


def publish(build: Build, **options: Any) -> Publication:
    given = convert.structure({"instructions": "logs", **options}, PublishSwiftOptions, "job")
    return plugin.thcore_publish(build, given, outcome_of(build, build.attempt))


def read(logs: Container, name: str) -> requests.Response:
    """What everyone can read."""
    return requests.get(f"{logs.url}/{LOG_PATH}/{name}", timeout=30)


def test_evidence_goes_where_zuul_says(launch: Launch, logs: Container) -> None:
    with launch() as build:
        keep(build, datasets__one__schema_sql=b"create table t ()", empty_txt=b"", log_txt_gz=gzip.compress(b"packed"))

        answer = publish(build)

        assert answer == Publication(f"{logs.url}/{LOG_PATH}/index.html", "publish_swift")
        page = requests.get(answer.url, timeout=30)
        assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert from_json(read(logs, "result.json").text).publications == (answer,)
        assert read(logs, "console.log").content == build.workspace.log.read_bytes()
        assert read(logs, "console.log").headers["Content-Type"] == "text/plain; charset=utf-8"
        assert (read(logs, "empty.txt").status_code, read(logs, "empty.txt").content) == (200, b"")
        packed = read(logs, "log.txt.gz")
        assert (packed.text, packed.headers["Content-Encoding"]) == ("packed", "gzip")
        assert logs.names(f"{LOG_PATH}/datasets/") == [
            f"{LOG_PATH}/datasets/{name}" for name in ("index.html", "one/index.html", "one/schema.sql")
        ]
        assert all(name.startswith(f"{LOG_PATH}/") for name in logs.names())


def test_more_files_than_a_form_takes_go_in_several(launch: Launch, logs: Container) -> None:
    with launch(count=3) as build:
        keep(build, **{f"file{number}_txt": b"%d" % number for number in range(10)})

        publish(build)

    assert [read(logs, f"file{number}.txt").content for number in range(10)] == [b"%d" % n for n in range(10)]


@pytest.mark.parametrize(
    "name", ["Zürich ß.txt", "semi;colon=x.txt", "per%20cent.txt", "apo'strophe & more.txt", "-rf"]
)
def test_a_name_arrives_as_it_is(launch: Launch, logs: Container, name: str) -> None:
    with launch() as build:
        (build.workspace.artifacts / name).write_bytes(name.encode())
        publish(build)

        assert logs.get(f"{LOG_PATH}/{name}") == name.encode()
        assert logs.names() == sorted(f"{LOG_PATH}/{name}" for name in site_of(build))


def test_names_that_a_form_cannot_have_are_left_out_and_told(launch: Launch, logs: Container) -> None:
    with launch() as build:
        for name in ('quo"te.txt', "quo%22te.txt", "back\\slash.txt", "line\nline.txt"):
            (build.workspace.artifacts / name).write_bytes(b"x")
        publish(build)

        assert (
            "'line\\nline.txt' is not published: Swift does not understand its name" in build.workspace.log.read_text()
        )
        left_out = {'quo"te.txt', "back\\slash.txt", "line\nline.txt"}
        assert logs.names() == sorted(f"{LOG_PATH}/{name}" for name in site_of(build) - left_out)


@pytest.mark.parametrize(
    ("logserver", "url", "address"),
    [
        ("https://logs.example.org/", None, f"https://logs.example.org/{LOG_PATH}/index.html"),
        ("https://logs.example.org", "https://other.example.org", f"https://logs.example.org/{LOG_PATH}/index.html"),
        (None, "https://other.example.org", f"https://other.example.org/{LOG_PATH}/index.html"),
    ],
)
def test_the_address_is_that_of_the_server_that_shows_logs(
    launch: Launch, logserver: str | None, url: str | None, address: str
) -> None:
    with launch(logserver=logserver) as build:
        assert publish(build, **({} if url is None else {"url": url})).url == address


def test_what_everyone_keeps_for_a_time_only_goes_by_itself(launch: Launch, logs: Container) -> None:
    with launch() as build:
        publish(build, delete_after="1h")

    left_s = int(read(logs, "index.html").headers["X-Delete-At"]) - time.time()
    assert 0 < left_s <= 3601


@pytest.mark.parametrize(
    ("instructions", "words"),
    [
        ({"lasts_s": -60}, "Zuul's form was good until"),
        ({"size": 10}, "Zuul's form takes files of 10 B at most, not 'console.log'"),
        ({"key": "another key"}, "does not take Zuul's signature (FormPost: Invalid Signature); the key in zuul.conf"),
        ({"name": "docs"}, "Zuul has sent no instructions named logs"),
    ],
)
def test_what_zuul_must_mend_is_told_and_nothing_is_there(
    launch: Launch, logs: Container, instructions: Mapping[str, Any], words: str
) -> None:
    with launch(**instructions) as build:
        keep(build, large_txt=b"x" * 100)
        with pytest.raises(InfrastructureError) as caught:
            publish(build)

    assert words in str(caught.value)
    assert caught.value.code == "publish-failed"
    assert logs.names() == []


def test_a_form_that_expires_on_its_way_is_told(
    launch: Launch, logs: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Instructions, "check", lambda *_: None)
    with launch(lasts_s=-60) as build, pytest.raises(InfrastructureError, match="Zuul's form has expired, says http"):
        publish(build)

    assert logs.names() == []


def test_a_server_that_takes_no_sha_1_is_told_from_a_wrong_key(launch: Launch, logs: Container) -> None:
    server = logs.server
    server.kill("proxy")
    server.configure(digests=("sha256", "sha512"))
    server.start()
    try:
        with launch() as build, pytest.raises(InfrastructureError) as caught:
            publish(build)
        with launch(digest="sha256", attempt=2) as build:
            publish(build)
    finally:
        server.kill("proxy")
        server.configure()
        server.start()

    assert "Zuul signs its forms with sha1, and" in str(caught.value)
    assert "takes only sha256, sha512; have Swift's operator add it to allowed_digests" in str(caught.value)
    assert read(logs, "index.html").status_code == 200


def test_what_cannot_go_in_a_form_goes_to_the_account(launch: Launch, logs: Container) -> None:
    with launch(size=10) as build:
        answer = publish(build, **logs.options(url="https://logs.example.org"))

        assert answer.url == f"https://logs.example.org/{LOG_PATH}/index.html"
        assert "it goes to the account instead" in build.workspace.log.read_text()
    assert f"{LOG_PATH}/.attempt.json" in logs.names()


def test_one_object_that_is_refused_keeps_the_page_away(launch: Launch, logs: Container) -> None:
    with launch() as build:
        keep(build, forbidden_txt=b"x")
        with pytest.raises(InfrastructureError, match=r"Swift answered 403 \(not this\)"):
            publish(build)

    assert read(logs, "index.html").status_code == 404


def test_a_busy_server_costs_a_retry(launch: Launch, logs: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_PAUSE_S", 0.05)
    with launch() as build:
        keep(build, busy_txt=b"x", other_txt=b"y")
        publish(build)

    assert (read(logs, "busy.txt").content, read(logs, "other.txt").content) == (b"x", b"y")


def test_a_full_quota_is_told(launch: Launch, logs: Container) -> None:
    logs.make(X_Container_Meta_Temp_URL_Key=KEY, X_Container_Meta_Quota_Count="0")
    with launch() as build, pytest.raises(InfrastructureError, match=r"Swift answered 413 .* raise the quota"):
        publish(build)


def test_an_earlier_attempt_that_comes_late_overwrites_nothing_that_everyone_can_read(
    launch: Launch, logs: Container
) -> None:
    with launch(attempt=2) as build:
        publish(build)
    with launch() as build, pytest.raises(InfrastructureError, match="attempt 1 came too late") as caught:
        publish(build)

    assert caught.value.code == "publish-superseded"
    assert from_json(read(logs, "result.json").text).attempt == 2


def test_publishing_twice_is_publishing_once(launch: Launch, logs: Container) -> None:
    with launch() as build:
        first = publish(build)
        names = logs.names()

        assert publish(build) == first
        assert logs.names() == names


def test_zuuls_address_is_given_nothing_but_evidence(
    launch: Launch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not even a password that the worker's account has for that host."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login worker password hush\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    seen: list[Any] = []
    send = requests.Session.send

    def recorded(session: requests.Session, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        seen.append(dict(request.headers))
        return send(session, request, **more)

    monkeypatch.setattr(requests.Session, "send", recorded)
    with launch() as build:
        publish(build)

    assert len(seen) > 2
    assert all("Authorization" not in headers for headers in seen)


def test_a_wide_form_has_the_length_that_it_says(launch: Launch) -> None:
    from thcore.pages import site
    from thplugins_publish_swift import content
    from thplugins_publish_swift.form import Form, Part

    with launch() as build:
        keep(build, **{f"file{number}_txt": b"x" * number * 10_000 for number in range(12)})
        with site.assembled(build.workspace.artifacts, outcome_of(build)) as assembled:
            parts = [
                Part(f"/{file.name}", content.described(assembled, file), content.whole(assembled, file))
                for file in assembled.files
            ]
            form = Form({"max_file_count": "9", "signature": "ü"}, parts, build.check)

            assert len(b"".join(form)) == len(form)
            assert b"".join(form) == b"".join(form)
