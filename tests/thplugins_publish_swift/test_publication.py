"""Publishing with an account, to a real Swift."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from attrs import evolve

from thcore.config import convert
from thcore.errors import CancelledError, InfrastructureError
from thcore.hooks import Build
from thcore.model import Publication
from thcore.model.document import from_json
from thcore.process import Interrupt
from thcore.testing import make_build
from thcore.testing.swift import Swift
from thplugins_publish_swift import patience
from thplugins_publish_swift.options import PublishSwiftOptions
from thplugins_publish_swift.plugin import plugin

from parts.evidence import keep, outcome_of, site_of
from parts.swift import Container, container

pytestmark = pytest.mark.system

LOG_PATH = "45/12345/2/check/job/b000000"
SEGMENT = 1024 * 1024


@pytest.fixture
def logs(swift: Swift) -> Container:
    return container(swift)


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    with make_build(tmp_path, log_path=LOG_PATH) as made:
        made.log("hello")
        yield made


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(patience, "_LONGEST_PAUSE_S", 2.0)


def publish(build: Build, logs: Container, attempt: int = 1, **more: Any) -> Publication:
    options = convert.structure(logs.options(**more), PublishSwiftOptions, "job")
    return plugin.thcore_publish(build, options, outcome_of(build, attempt))


def head(logs: Container, name: str) -> Any:
    return logs.ask("HEAD", f"{LOG_PATH}/{name}").headers


def test_the_evidence_the_result_and_a_page_are_published(build: Build, logs: Container) -> None:
    keep(build, datasets__one__schema_sql=b"create table t ()")

    answer = publish(build, logs, url="https://logs.example.org/ci/")

    assert answer == Publication(f"https://logs.example.org/ci/{LOG_PATH}/index.html", "publish_swift")
    assert {"console.log", "datasets/one/schema.sql", "index.html", "result.json"} < site_of(build)
    assert logs.names() == sorted(f"{LOG_PATH}/{name}" for name in {*site_of(build), ".attempt.json"})
    assert logs.get(f"{LOG_PATH}/datasets/one/schema.sql") == b"create table t ()"
    document = logs.get(f"{LOG_PATH}/result.json")
    assert document is not None
    assert from_json(document.decode()).publications == (answer,)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://logs.example.org", f"https://logs.example.org/{LOG_PATH}/index.html"),
        ("https://logs.example.org/show?file=", f"https://logs.example.org/show?file={LOG_PATH}/index.html"),
    ],
)
def test_the_address_is_what_the_operator_puts_in_front(build: Build, logs: Container, url: str, address: str) -> None:
    assert publish(build, logs, url=url).url == address


def test_a_container_is_made_so_that_a_browser_can_read_it(build: Build, logs: Container) -> None:
    keep(build, report__notes_txt=b"notes")

    answer = publish(build, logs, read_acl=".r:*,.rlistings", static_web=True)

    page = requests.get(answer.url, timeout=30)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert requests.get(answer.url.removesuffix("index.html"), timeout=30).content == page.content
    text = requests.get(answer.url.replace("index.html", "report/notes.txt"), timeout=30)
    assert (text.text, text.headers["Content-Type"]) == ("notes", "text/plain; charset=utf-8")
    above = requests.get(f"{logs.url}/45/12345/", timeout=30)
    assert "Listing of" in above.text


def test_compressed_text_is_shown_as_text(build: Build, logs: Container) -> None:
    keep(build, server_log_gz=gzip.compress("Zürich".encode()))

    publish(build, logs, read_acl=".r:*")

    shown = requests.get(f"{logs.url}/{LOG_PATH}/server.log.gz", timeout=30)
    assert (shown.text, shown.headers["Content-Encoding"]) == ("Zürich", "gzip")


def test_without_create_container_a_missing_one_is_told(build: Build, logs: Container) -> None:
    with pytest.raises(
        InfrastructureError, match=f"there is no container {logs.name}; make it, or set create_container"
    ):
        publish(build, logs, create_container=False)


def test_everything_goes_when_its_time_has_come(build: Build, logs: Container) -> None:
    keep(build, large_bin=b"x" * (SEGMENT + 1))

    publish(build, logs, delete_after="1h", segment_size=SEGMENT)

    now = time.time()
    for name in logs.names():
        assert now < int(logs.ask("HEAD", name).headers["X-Delete-At"]) <= now + 3601, name
    segments = f"{logs.name}_segments"
    other = Container(logs.server, segments)
    assert len(other.names()) == 2
    assert all("X-Delete-At" in other.ask("HEAD", name).headers for name in other.names())


@pytest.mark.parametrize("kind", ["static", "dynamic"])
def test_a_large_file_is_stored_in_segments_and_read_as_one(build: Build, logs: Container, kind: str) -> None:
    content = bytes(range(256)) * (SEGMENT // 256) * 2 + b"end"
    keep(build, large_txt=content)

    publish(build, logs, read_acl=".r:*", segment_size=SEGMENT, large_objects=kind)

    assert logs.get(f"{LOG_PATH}/large.txt") == content
    sizes = [name.rpartition("/")[2] for name in logs.names(container=f"{logs.name}_segments")]
    assert sizes == ["00000000", "00000001", "00000002"]
    read = requests.get(f"{logs.url}/{LOG_PATH}/large.txt", timeout=30)
    assert (read.content, read.headers["Content-Type"]) == (content, "text/plain; charset=utf-8")


def test_a_later_attempt_leaves_no_segment_of_an_earlier_one(build: Build, logs: Container) -> None:
    keep(build, large_bin=b"a" * (SEGMENT + 2), old_bin=b"b" * (SEGMENT + 1))
    publish(build, logs, segment_size=SEGMENT)
    keep(build, large_bin=b"c" * (SEGMENT + 1))
    (build.workspace.artifacts / "old.bin").unlink()

    publish(build, logs, attempt=2, segment_size=SEGMENT)

    assert logs.get(f"{LOG_PATH}/large.bin") == b"c" * (SEGMENT + 1)
    assert logs.get(f"{LOG_PATH}/old.bin") is None
    base = f"{LOG_PATH}/large.bin/2/{SEGMENT + 1}-{SEGMENT}"
    assert logs.names(container=f"{logs.name}_segments") == [f"{base}/00000000", f"{base}/00000001"]


def test_what_is_there_of_the_same_attempt_is_not_sent_again(build: Build, logs: Container) -> None:
    keep(build, one_txt=b"1", two_txt=b"2", large_bin=b"x" * (SEGMENT + 1))
    publish(build, logs, segment_size=SEGMENT)
    before = {name: head(logs, name)["X-Timestamp"] for name in ("one.txt", "two.txt", "console.log")}
    segments = Container(logs.server, f"{logs.name}_segments")
    parts = {name: segments.ask("HEAD", name).headers["X-Timestamp"] for name in segments.names()}
    keep(build, two_txt=b"3")
    build.log("it is published again")

    publish(build, logs, segment_size=SEGMENT)

    after = {name: head(logs, name)["X-Timestamp"] for name in before}
    assert after["one.txt"] == before["one.txt"]
    assert after["two.txt"] > before["two.txt"]
    assert after["console.log"] > before["console.log"]
    assert parts == {name: segments.ask("HEAD", name).headers["X-Timestamp"] for name in segments.names()}
    assert logs.get(f"{LOG_PATH}/two.txt") == b"3"


def test_the_place_of_another_build_or_of_other_objects_is_left_alone(build: Build, logs: Container) -> None:
    publish(build, logs)
    stranger = evolve(outcome_of(build), build="another")
    options = convert.structure(logs.options(), PublishSwiftOptions, "job")
    with pytest.raises(InfrastructureError, match="holds the evidence of another build, b0000000"):
        plugin.thcore_publish(build, options, stranger)

    other = container(logs.server)
    other.make()
    other.ask("PUT", f"{LOG_PATH}/thesis.txt", data=b"mine").raise_for_status()
    with pytest.raises(InfrastructureError, match="holds no build, but other objects; they are left alone"):
        publish(build, other)
    assert other.names() == [f"{LOG_PATH}/thesis.txt"]


def test_names_that_swift_cannot_have_are_left_out_and_told(build: Build, logs: Container) -> None:
    (build.workspace.artifacts / "\udcff.txt").write_bytes(b"no UTF-8")
    keep(build, plain_txt=b"plain")
    (build.workspace.artifacts / ".attempt.json").write_bytes(b'{"build": "forged"}')

    publish(build, logs)

    assert logs.get(f"{LOG_PATH}/plain.txt") == b"plain"
    claim = logs.get(f"{LOG_PATH}/.attempt.json")
    assert claim is not None
    assert json.loads(claim)["build"] == build.id
    log = build.workspace.log.read_text()
    assert "'\\udcff.txt' is not published: its name is no UTF-8" in log
    assert "'.attempt.json' is not published: its name is one of ours" in log


def test_a_busy_server_and_a_wrong_digest_cost_a_retry(build: Build, logs: Container, short_pauses: None) -> None:
    keep(build, busy_txt=b"busy", bent_txt=b"bent")

    publish(build, logs)

    assert (logs.get(f"{LOG_PATH}/busy.txt"), logs.get(f"{LOG_PATH}/bent.txt")) == (b"busy", b"bent")


def test_what_was_stored_is_compared_with_what_was_sent(build: Build, logs: Container) -> None:
    keep(build, bent_txt=b"bent")

    with pytest.raises(InfrastructureError, match=r"cannot store .*/bent\.txt: what was stored is not what was sent"):
        publish(build, logs, retries=0)
    assert logs.get(f"{LOG_PATH}/index.html") is None


def test_one_object_that_is_refused_keeps_the_page_away(build: Build, logs: Container) -> None:
    keep(build, **{f"file{number}_txt": b"x" for number in range(30)}, forbidden_txt=b"x")

    with pytest.raises(InfrastructureError) as caught:
        publish(build, logs)

    assert (
        f"cannot store {logs.name}/{LOG_PATH}/forbidden.txt: Swift answered 403 (not this): it does not permit"
        in str(caught.value)
    )
    assert logs.get(f"{LOG_PATH}/index.html") is None
    assert logs.get(f"{LOG_PATH}/result.json") is None


def test_a_full_quota_is_told(build: Build, logs: Container) -> None:
    logs.make(X_Container_Meta_Quota_Bytes="2000")
    keep(build, large_bin=b"x" * 5000)

    with pytest.raises(InfrastructureError, match=r"Swift answered 413 \(Upload exceeds quota\.\): .* raise the quota"):
        publish(build, logs)
    assert logs.get(f"{LOG_PATH}/index.html") is None


def test_somebody_without_rights_is_told(build: Build, logs: Container) -> None:
    guest = logs.server.guest

    with pytest.raises(InfrastructureError, match="Swift answered 403: it does not permit this; check the user's role"):
        publish(build, logs, user=guest.name, password=guest.password)


def test_a_token_that_is_not_good_any_more_is_renewed(build: Build, logs: Container) -> None:
    class Forgetful:
        """Reading the first file, Swift forgets all tokens."""

        done = False

    forgetful = Forgetful()
    check = build.check

    def forget() -> None:
        check()
        if not forgetful.done and logs.ask("HEAD", f"{LOG_PATH}/.attempt.json").status_code == 200:
            forgetful.done = True
            logs.server.kill("memcached")
            logs.server.start()

    options = convert.structure(logs.options(connections=1), PublishSwiftOptions, "job")
    plugin.thcore_publish(Watched(build, forget), options, outcome_of(build))

    assert forgetful.done
    assert logs.get(f"{LOG_PATH}/index.html") is not None


class Watched:
    """A build whose checks are somebody else's."""

    def __init__(self, build: Build, check: Any) -> None:
        self._build = build
        self.check = check

    def __getattr__(self, name: str) -> Any:
        return getattr(self._build, name)


def test_a_cancel_ends_it_in_the_middle_of_a_file(tmp_path: Path, logs: Container) -> None:
    with Interrupt() as interrupt, make_build(tmp_path, log_path=LOG_PATH, interrupt=interrupt) as build:
        keep(build, large_bin=b"x" * 5_000_000)
        check = build.check
        calls: list[int] = []

        def cancelling() -> None:
            calls.append(1)
            if len(calls) == 30:
                interrupt.cancel("enough")
            check()

        options = convert.structure(logs.options(connections=1), PublishSwiftOptions, "job")
        with pytest.raises(CancelledError):
            plugin.thcore_publish(Watched(build, cancelling), options, outcome_of(build))
    assert logs.get(f"{LOG_PATH}/index.html") is None


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_a_server_that_dies_in_the_middle_and_comes_back_has_everything_once(
    tmp_path: Path, logs: Container, count: int, short_pauses: None
) -> None:
    """And nothing is linked before it is whole. The large file has six segments, as one of 6 GB has."""
    large = b"0123456789abcdef" * (6 * SEGMENT // 16)
    with make_build(tmp_path, log_path=LOG_PATH) as build:
        keep(build, large_bin=large, **{f"files__{number:04}_txt": b"%d\n" % number for number in range(count)})
        with ThreadPoolExecutor(1) as pool:
            publishing = pool.submit(publish, build, logs, retries=20, segment_size=SEGMENT)
            stored = logs.server.directory / "devices" / "d1" / "objects"
            before = sum(1 for _ in stored.rglob("*.data"))
            while sum(1 for _ in stored.rglob("*.data")) < before + count // 4:
                assert not publishing.done()
            logs.server.kill()
            assert not publishing.done()
            logs.server.start()
            assert logs.get(f"{LOG_PATH}/index.html") is None
            publishing.result()

        expected = {f"files/{number:04}.txt": b"%d\n" % number for number in range(count)}
        for name, content in list(expected.items())[:: count // 50]:
            assert logs.get(f"{LOG_PATH}/{name}") == content
        assert logs.get(f"{LOG_PATH}/large.bin") == large
        publish(build, logs, segment_size=SEGMENT)  # what the container was not told of while it was away is told
        assert logs.names() == sorted(f"{LOG_PATH}/{name}" for name in {*site_of(build), ".attempt.json"})
        assert len(logs.names(container=f"{logs.name}_segments")) == 6


def test_the_page_is_not_there_before_all_else_is(tmp_path: Path, logs: Container) -> None:
    with make_build(tmp_path, log_path=LOG_PATH) as build:
        keep(build, **{f"file{number}_txt": b"x" for number in range(60)})
        with ThreadPoolExecutor(1) as pool:
            publishing = pool.submit(publish, build, logs)
            while logs.get(f"{LOG_PATH}/index.html") is None:
                assert publishing.exception(0.01) is None if publishing.done() else True
            there = logs.names()
            publishing.result()

        assert there == sorted(f"{LOG_PATH}/{name}" for name in {*site_of(build), ".attempt.json"})
