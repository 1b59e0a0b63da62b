"""The page of a running build below the root, and what takes its place."""

from __future__ import annotations

import datetime
import os
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from thcore.errors import CancelledError, InfrastructureError
from thcore.hooks import Build
from thcore.model import Change, ChangeKind, Fence, LivePage, Standing, WorkerInfo
from thcore.pages import live as pages
from thcore.pages.live import LogSoFar, piece_name
from thcore.testing import make_build
from thplugins_publish_local import place, publication
from thplugins_publish_local.place import MARK
from thplugins_publish_local.plugin import PublishLocalOptions, plugin

from parts import outcomes

LOG_PATH = "45/12345/2/check/job/b000000"
AT = datetime.datetime(2026, 3, 1, 10, 0, 0, 123456, tzinfo=datetime.UTC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    with make_build(tmp_path, log_path=LOG_PATH) as made:
        yield made


def page(
    build: Build, *lines: str, attempt: int = 1, worker: str = "here", at: datetime.datetime = AT, **changes: Any
) -> LivePage:
    change = Change("example/project", ChangeKind.BRANCH, branch="main")
    info = WorkerInfo(worker, "localhost", "0")
    standing = evolve(Standing("job", build.id, attempt, change, LOG_PATH, info, at, at), **changes)
    pieces: Mapping[str, bytes] = {piece_name(1): "\n".join(lines).encode()} if lines else {}
    return LivePage(standing.fence, pages.files(standing, LogSoFar(lines, 0, len(pieces)), pieces, 5.0))


def show(build: Build, root: Path, shown: LivePage, **options: Any) -> str | None:
    answer = plugin.thcore_publish_live(build, PublishLocalOptions(root, "https://logs.example.org/", **options), shown)
    return answer.url if answer else None


def publish(build: Build, root: Path, fence: Fence | None = None) -> str:
    first = fence or Fence("here", 1, AT)
    outcome = evolve(
        outcomes.failing(),
        build=build.id,
        attempt=first.attempt,
        log_path=LOG_PATH,
        started=first.started,
        worker=WorkerInfo(first.worker, "localhost", "0"),
    )
    return plugin.thcore_publish(build, PublishLocalOptions(root, "https://logs.example.org/"), outcome).url


def index(root: Path) -> str:
    return (root / LOG_PATH / "index.html").read_text()


def test_the_page_is_there_at_the_address_that_was_told_before(build: Build, root: Path) -> None:
    options = PublishLocalOptions(root, "https://logs.example.org/")
    told = plugin.thcore_address(build.request, options)  # type: ignore[attr-defined] # of a real build
    assert show(build, root, page(build, "a line")) == told == f"https://logs.example.org/{LOG_PATH}/"
    assert "a line" in index(root)
    assert (root / LOG_PATH / piece_name(1)).read_text() == "a line"


def test_without_an_address_of_the_root_the_page_is_a_file(build: Build, root: Path) -> None:
    told = plugin.thcore_address(build.request, PublishLocalOptions(root))  # type: ignore[attr-defined] # idem
    assert told == publication.address(root, None, LOG_PATH) == (root / LOG_PATH / "index.html").as_uri()


def test_a_job_may_have_no_page_while_it_runs(build: Build, root: Path) -> None:
    assert show(build, root, page(build), live=False) is None
    assert not root.exists()


def test_the_page_is_renewed_where_it_is(build: Build, root: Path) -> None:
    show(build, root, page(build, "one"))
    directory = (root / LOG_PATH).stat().st_ino
    show(build, root, page(build, "two"))
    assert "two" in index(root)
    assert (root / LOG_PATH).stat().st_ino == directory
    assert not [path for path in (root / LOG_PATH).iterdir() if path.name.endswith((".part", ".old"))]


def test_people_find_a_running_build_from_above(build: Build, root: Path) -> None:
    show(build, root, page(build))
    for above in Path(LOG_PATH).parents:
        assert (root / above / "index.html").is_file()


def test_the_evidence_takes_the_place_of_the_page(build: Build, root: Path) -> None:
    show(build, root, page(build, "a line"))
    assert publish(build, root) == f"https://logs.example.org/{LOG_PATH}/"
    assert (root / LOG_PATH / "result.json").is_file()
    assert not (root / LOG_PATH / "live").exists()
    assert "Its evidence" not in index(root)


def test_the_evidence_is_newer_than_the_page_in_whole_seconds_as_browsers_ask(build: Build, root: Path) -> None:
    show(build, root, page(build))
    assert (root / LOG_PATH / "index.html").stat().st_mtime <= time.time() - 1
    before = time.time()
    publish(build, root)
    assert (root / LOG_PATH / "index.html").stat().st_mtime >= int(before)


@pytest.mark.parametrize(
    ("late", "published"),
    [
        (Fence("here", 1, AT), Fence("here", 1, AT)),
        (Fence("here", 1, AT), Fence("here", 2, AT)),
        (Fence("elsewhere", 7, AT - datetime.timedelta(seconds=1)), Fence("here", 1, AT)),
    ],
)
def test_a_page_that_comes_late_takes_the_place_of_no_evidence(
    build: Build, root: Path, late: Fence, published: Fence
) -> None:
    publish(build, root, published)
    before = index(root)
    with pytest.raises(InfrastructureError) as caught:
        show(build, root, page(build, attempt=late.attempt, worker=late.worker, at=late.started))
    assert caught.value.code == "publish-superseded"
    assert index(root) == before


def test_a_page_of_a_later_attempt_takes_the_place_of_an_earlier_one_s(build: Build, root: Path) -> None:
    show(build, root, page(build, "the first"))
    show(build, root, page(build, "the second", attempt=2))
    assert "the second" in index(root)
    with pytest.raises(InfrastructureError):
        show(build, root, page(build, "the first again"))
    assert "the second" in index(root)


def test_a_page_of_a_later_attempt_takes_the_place_of_an_earlier_one_s_evidence(build: Build, root: Path) -> None:
    publish(build, root)
    show(build, root, page(build, "the second", attempt=2))
    assert "the second" in index(root)


def test_a_page_takes_the_place_of_no_other_build(build: Build, root: Path, tmp_path: Path) -> None:
    publish(build, root)
    with (
        make_build(tmp_path, build_id="another", log_path=LOG_PATH) as another,
        pytest.raises(InfrastructureError, match="another build"),
    ):
        show(another, root, page(another, attempt=9))


def test_a_page_that_is_written_while_the_evidence_comes_is_seen_by_nobody(build: Build, root: Path) -> None:
    """Between looking what is there and writing there is always some time."""
    show(build, root, page(build, "early"))
    opened, published = threading.Event(), threading.Event()

    def check() -> None:
        opened.set()
        assert published.wait(20)

    late = page(build, "the late line")
    with ThreadPoolExecutor(1) as elsewhere:
        writing = elsewhere.submit(publication.publish_live, late, build.id, root, LOG_PATH, check=check)
        assert opened.wait(20)
        publish(build, root)
        published.set()
        with pytest.raises(InfrastructureError):
            writing.result(20)

    assert "the late line" not in index(root)
    assert not (root / LOG_PATH / "live").exists()


def test_a_page_in_the_making_that_is_told_to_end_leaves_nothing(build: Build, root: Path) -> None:
    def check() -> None:
        raise CancelledError("too late")

    with pytest.raises(CancelledError):
        publication.publish_live(page(build, "one"), build.id, root, LOG_PATH, check=check)
    assert list((root / LOG_PATH).parent.iterdir()) == []


def test_a_page_that_a_power_failure_has_torn_is_in_nobody_s_way(build: Build, root: Path) -> None:
    show(build, root, page(build, "one"))
    (root / LOG_PATH / "live" / "state.json").write_bytes(b"")
    publish(build, root)
    assert (root / LOG_PATH / "result.json").is_file()


def test_nothing_is_put_below_a_running_build(build: Build, root: Path) -> None:
    show(build, root, page(build))
    with pytest.raises(InfrastructureError, match="holds the evidence of a build"), place.opened(root, f"{LOG_PATH}/x"):
        pass


def test_no_page_is_written_through_a_link(build: Build, root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "live").mkdir(parents=True)
    (root / LOG_PATH).parent.mkdir(parents=True)
    (root / LOG_PATH).symlink_to(elsewhere)
    with pytest.raises(InfrastructureError):
        show(build, root, page(build, "one"))
    assert os.listdir(elsewhere) == ["live"]  # noqa: PTH208 - names


def test_a_running_build_carries_the_mark(build: Build, root: Path) -> None:
    show(build, root, page(build))
    assert (root / LOG_PATH / MARK).is_file()
