"""The page of a running build in a real Swift, and what takes its place."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from thcore.config import convert
from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import BuildRequest, Change, ChangeKind, LivePage, Standing, WorkerInfo
from thcore.pages import live as pages
from thcore.pages.live import LogSoFar, piece_name
from thcore.testing import make_build
from thcore.testing.swift import Swift
from thplugins_publish_swift.options import PublishSwiftOptions
from thplugins_publish_swift.plugin import plugin

from parts.evidence import outcome_of
from parts.identity import PASSWORD, PROJECT, USER, identity
from parts.swift import Container, container

pytestmark = pytest.mark.system

LOG_PATH = "45/12345/2/check/job/b000000"
AT = datetime.datetime(2026, 3, 1, 10, 0, 0, tzinfo=datetime.UTC)
CHANGE = Change("example/project", ChangeKind.BRANCH, branch="main")


@pytest.fixture
def logs(swift: Swift) -> Container:
    return container(swift)


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    with make_build(tmp_path, log_path=LOG_PATH) as made:
        yield made
    for show in plugin._shows.values():  # of builds that had no last page
        show.close()
    plugin._shows.clear()


def page(build: Build, *lines: str, attempt: int = 1, last: bool = False) -> LivePage:
    standing = Standing("job", build.id, attempt, CHANGE, LOG_PATH, WorkerInfo("here", "localhost", "0"), AT, AT)
    pieces = {piece_name(1): "\n".join(lines).encode()}
    return LivePage(standing.fence, pages.files(standing, LogSoFar(lines, 0, 1), pieces, 5.0), last)


def options(logs: Container, **more: Any) -> PublishSwiftOptions:
    return convert.structure(logs.options(**more), PublishSwiftOptions, "job")


def show(build: Build, logs: Container, shown: LivePage, **more: Any) -> str | None:
    answer = plugin.thcore_publish_live(build, options(logs, **more), shown)
    return answer.url if answer else None


def told(given: PublishSwiftOptions, **parameters: str) -> str | None:
    return plugin.thcore_address(BuildRequest("b", "job", CHANGE, parameters, LOG_PATH), given)


def test_the_page_is_there_at_the_address_that_was_told_before(build: Build, logs: Container) -> None:
    url = "https://logs.example.org"

    assert (
        show(build, logs, page(build, "a line"), url=url)
        == told(options(logs, url=url))
        == f"{url}/{LOG_PATH}/index.html"
    )

    answer = logs.ask("GET", f"{LOG_PATH}/index.html")
    assert "a line" in answer.text
    assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == ("text/html; charset=utf-8", "no-cache")
    assert logs.get(f"{LOG_PATH}/{piece_name(1)}") == b"a line"


def test_the_address_is_not_known_before_where_only_swift_knows_it(logs: Container) -> None:
    assert told(options(logs)) is None


def test_with_instructions_the_address_is_zuuls_and_there_is_no_page_before_the_last(
    build: Build, logs: Container
) -> None:
    sent = logs.instructions(LOG_PATH, logserver="https://logs.example.org/zuul")
    given = options(logs, instructions="logs", url="https://logs.example.org")

    assert told(given, **sent) == f"https://logs.example.org/zuul/{LOG_PATH}/index.html"
    assert told(given) == f"https://logs.example.org/{LOG_PATH}/index.html"
    assert plugin.thcore_publish_live(build, given, page(build)) is None
    assert show(build, logs, page(build), live=False) is None


def test_the_evidence_takes_the_place_of_the_page(build: Build, logs: Container) -> None:
    first = show(build, logs, page(build, "a line"))
    show(build, logs, page(build, "a line", "another", last=True))
    assert b"another" in (logs.get(f"{LOG_PATH}/index.html") or b"")

    published = plugin.thcore_publish(build, options(logs), outcome_of(build))

    assert published.url == first
    assert not logs.names(f"{LOG_PATH}/live/")
    assert "Cache-Control" not in logs.ask("HEAD", f"{LOG_PATH}/index.html").headers
    final = logs.get(f"{LOG_PATH}/index.html")

    assert show(build, logs, page(build, "too late", last=True)) == first
    assert logs.get(f"{LOG_PATH}/index.html") == final
    assert not logs.names(f"{LOG_PATH}/live/")


def test_a_page_of_an_earlier_attempt_replaces_nothing(build: Build, logs: Container) -> None:
    show(build, logs, page(build, "second", attempt=2, last=True))

    with pytest.raises(InfrastructureError, match="attempt 1 came too late") as caught:
        show(build, logs, page(build, "first"))

    assert caught.value.code == "publish-superseded"
    assert logs.get(f"{LOG_PATH}/{piece_name(1)}") == b"second"


def test_a_later_attempt_that_comes_meanwhile_ends_the_page(tmp_path: Path, build: Build, logs: Container) -> None:
    show(build, logs, page(build, "first"))
    with make_build(tmp_path, log_path=LOG_PATH, attempt=2) as second:
        show(second, logs, page(second, "second", attempt=2, last=True))

    with pytest.raises(InfrastructureError, match="attempt 1 came too late"):
        show(build, logs, page(build, "first again"))
    assert logs.get(f"{LOG_PATH}/{piece_name(1)}") == b"second"


def test_all_states_of_a_page_are_signed_in_for_once(swift: Swift, build: Build, logs: Container) -> None:
    with identity(swift, "v3") as service:
        account = {
            "auth_url": f"{service.url}/v3",
            "user": USER,
            "password": PASSWORD,
            "tenant": PROJECT,
            "region": "north",
        }
        for number in range(3):
            show(build, logs, page(build, f"line {number}", last=number == 2), **account)

        assert len(service.asked) == 1
    assert logs.get(f"{LOG_PATH}/{piece_name(1)}") == b"line 2"


def test_a_page_that_cannot_be_put_up_is_not_tried_again_and_told(build: Build, logs: Container) -> None:
    sent: list[str] = []
    with pytest.MonkeyPatch.context() as patched:
        send = requests.Session.send

        def counted(session: requests.Session, request: requests.PreparedRequest, **more: Any) -> requests.Response:
            sent.append(str(request.url))
            return send(session, request, **more)

        patched.setattr(requests.Session, "send", counted)
        with pytest.raises(InfrastructureError, match=r"cannot look at .*: Connection refused"):
            show(build, logs, page(build), auth_url="http://127.0.0.1:9/auth/v1.0", url="https://logs.example.org")

    assert len(sent) == 1
