from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import Outcome, Publication
from thcore.model.document import from_json
from thcore.pages import site
from thcore.pages.site import Site
from thcore.testing import make_build, run_job
from thplugins_publish_local import publication, tree
from thplugins_publish_local.access import Access
from thplugins_publish_local.place import MARK
from thplugins_publish_local.plugin import PublishLocalOptions, plugin

from parts import outcomes

LOG_PATH = "45/12345/2/check/job/b000000"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    with make_build(tmp_path, log_path=LOG_PATH) as made:
        yield made


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def outcome_of(build: Build, attempt: int = 1, **changes: Any) -> Outcome:
    return evolve(outcomes.failing(), build=build.id, attempt=attempt, log_path=build.log_path, **changes)


def published(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file() and path.name != MARK)
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def put(build: Build, root: Path, log_path: str = LOG_PATH, attempt: int = 1, **changes: Any) -> Publication:
    outcome = outcome_of(build, attempt, **changes)
    return publication.publish(build.workspace.artifacts, root, None, log_path, outcome)


def test_the_evidence_the_result_and_a_page_are_published(build: Build, root: Path) -> None:
    build.log("hello")
    (build.workspace.artifacts / "datasets" / "one").mkdir(parents=True)
    (build.workspace.artifacts / "datasets" / "one" / "schema.sql").write_text("create table t ()")
    options = PublishLocalOptions(root, "https://logs.example.org/ci/")
    answer = plugin.thcore_publish(build, options, outcome_of(build))
    assert answer == Publication("https://logs.example.org/ci/45/12345/2/check/job/b000000/", "publish_local")
    files = published(root / LOG_PATH)
    assert set(files) == {
        "console.log",
        "console.log.html",
        "datasets/index.html",
        "datasets/one/index.html",
        "datasets/one/schema.sql",
        "history.html",
        "index.html",
        "result.json",
        *site.FORMS,
    }
    assert files["console.log"] == build.workspace.log.read_bytes()
    assert b"./datasets/one/schema.sql" in files["index.html"]
    assert b"hello" in files["index.html"]
    assert b"./schema.sql" in files["datasets/one/index.html"]
    assert from_json(files["result.json"].decode()).publications == (answer,)


def test_without_a_url_the_page_is_known_by_its_file(build: Build, tmp_path: Path) -> None:
    root = tmp_path / "logs of ours"
    options = PublishLocalOptions(root)
    answer = plugin.thcore_publish(build, options, outcome_of(build))
    assert answer.url == f"{root.as_uri()}/{LOG_PATH}/index.html"
    assert "%20" in answer.url


def test_a_url_without_a_scheme_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match=r"logs\.example\.org.*is not a complete address"):
        PublishLocalOptions(root, "logs.example.org")


def test_directories_on_the_way_list_what_is_in_them(build: Build, root: Path) -> None:
    plugin.thcore_publish(build, PublishLocalOptions(root), outcome_of(build))
    directory = root
    for name in LOG_PATH.split("/"):
        assert f'href="./{name}/index.html"' in (directory / "index.html").read_text()
        directory /= name
    listing = (root / "45/12345/2/check/job/index.html").read_text()
    assert "FAILURE" in listing
    assert "WARNING - Migration b5d083fa1c46 took too long" in listing


def test_a_second_build_is_listed_beside_the_first(build: Build, root: Path) -> None:
    put(build, root, "periodic/job/one")
    publication.relist(root, "periodic/job/one")
    put(build, root, "periodic/job/two")
    publication.relist(root, "periodic/job/two")
    listing = (root / "periodic/job/index.html").read_text()
    assert "./one/index.html" in listing
    assert "./two/index.html" in listing


def test_the_operators_own_front_page_is_left_alone(build: Build, root: Path) -> None:
    root.mkdir()
    (root / "index.html").write_text("<h1>Welcome</h1>")
    plugin.thcore_publish(build, PublishLocalOptions(root), outcome_of(build))
    assert (root / "index.html").read_text() == "<h1>Welcome</h1>"


def test_listings_that_cannot_be_written_are_told_in_the_log_and_cost_nothing(
    build: Build, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tree, "replace_file", full)
    answer = plugin.thcore_publish(build, PublishLocalOptions(root), outcome_of(build))
    assert answer.url.endswith("/index.html")
    assert "No space left on device" in build.workspace.log.read_text()


def test_publishing_again_leaves_what_was_published_the_last_time(build: Build, root: Path) -> None:
    (build.workspace.artifacts / "old").write_text("1")
    put(build, root)
    (build.workspace.artifacts / "old").unlink()
    (build.workspace.artifacts / "new").write_text("2")
    put(build, root)
    assert {"new", "result.json"} < set(published(root / LOG_PATH))
    assert "old" not in published(root / LOG_PATH)
    assert names((root / LOG_PATH).parent) == ["b000000"]


def test_a_later_attempt_replaces_an_earlier_one(build: Build, root: Path) -> None:
    put(build, root, attempt=1)
    put(build, root, attempt=2)
    assert json.loads((root / LOG_PATH / "result.json").read_text())["attempt"] == 2


def test_an_earlier_attempt_never_replaces_a_later_one(build: Build, root: Path) -> None:
    put(build, root, attempt=3)
    before = published(root)
    with pytest.raises(InfrastructureError, match="attempt 3 of this build is published already") as caught:
        put(build, root, attempt=2)
    assert caught.value.code == "publish-superseded"
    assert published(root) == before


def test_an_attempt_that_is_overtaken_while_it_copies_gives_way(
    build: Build, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_up, putting = tree.put_up, [True]

    def overtaken(site: Site, target: int, access: Access) -> None:
        if putting.pop():
            putting.append(False)
            put(build, root, attempt=2)
        put_up(site, target, access)

    monkeypatch.setattr(tree, "put_up", overtaken)
    with pytest.raises(InfrastructureError) as caught:
        put(build, root, attempt=1)
    assert caught.value.code == "publish-superseded"
    assert json.loads((root / LOG_PATH / "result.json").read_text())["attempt"] == 2
    assert names((root / LOG_PATH).parent) == ["b000000"]


def test_the_evidence_of_another_build_is_never_replaced(build: Build, root: Path) -> None:
    put(build, root)
    with pytest.raises(InfrastructureError, match="holds the evidence of another build"):
        publication.publish(build.workspace.artifacts, root, None, LOG_PATH, outcomes.failing())


@pytest.mark.parametrize("log_path", ["45/12345/2/check/job", "45"])
def test_a_directory_of_many_builds_is_never_replaced(build: Build, root: Path, log_path: str) -> None:
    put(build, root)
    before = published(root)
    with pytest.raises(InfrastructureError, match="holds no build; it is left as it is"):
        put(build, root, log_path)
    assert published(root) == before


def test_nothing_is_put_inside_the_evidence_of_a_build(build: Build, root: Path) -> None:
    put(build, root)
    with pytest.raises(InfrastructureError, match="nothing is put inside"):
        put(build, root, f"{LOG_PATH}/deeper/still")


def test_a_failing_copy_leaves_nothing(build: Build, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (build.workspace.artifacts / "a").write_text("a")
    (build.workspace.artifacts / "z").write_text("z")
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if bytes(data) == b"z":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(InfrastructureError, match="No space left on device") as caught:
        put(build, root)
    assert caught.value.code == "publish-failed"
    assert names((root / LOG_PATH).parent) == []


def test_a_failing_copy_leaves_what_was_published_before(
    build: Build, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(build, root, attempt=1)
    before = published(root)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(InfrastructureError):
        put(build, root, attempt=2)
    assert published(root) == before


def test_a_reader_sees_nothing_until_all_is_there(build: Build, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, seen = os.write, []

    def watched(descriptor: int, data: bytes) -> int:
        seen.append((root / LOG_PATH).exists())
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", watched)
    put(build, root)
    assert seen
    assert not any(seen)


def test_what_a_killed_publisher_left_is_put_away(build: Build, root: Path) -> None:
    parent = (root / LOG_PATH).parent
    dead = parent / ".b000000.0123456789abcdef.part"
    (dead / "sub").mkdir(parents=True)
    (dead / "sub" / "file").write_text("half")
    at_work = parent / ".other.0123456789abcdef.part"
    at_work.mkdir()
    lock = os.open(at_work, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    put(build, root)
    os.close(lock)
    assert names(parent) == [".other.0123456789abcdef.part", "b000000"]


def test_what_was_moved_aside_by_a_publisher_that_died_counts_as_published(build: Build, root: Path) -> None:
    put(build, root, attempt=2)
    (root / LOG_PATH).rename((root / LOG_PATH).parent / ".b000000.0123456789abcdef.old")
    with pytest.raises(InfrastructureError, match="attempt 2 of this build is published already"):
        put(build, root, attempt=1)
    assert (root / LOG_PATH / "result.json").exists()


@pytest.mark.parametrize(
    "log_path",
    ["../outside", "a/../../outside", "/etc/outside", "", "/", "a/./b", ".hidden", "a/b\nc", "a/index.html/b"],
)
def test_a_log_path_that_could_lead_elsewhere_is_refused(build: Build, root: Path, log_path: str) -> None:
    with pytest.raises(InfrastructureError, match="cannot be used") as caught:
        put(build, root, log_path)
    assert caught.value.code == "publish-failed"
    assert not root.exists()


@pytest.mark.parametrize("link", ["45", "45/12345", LOG_PATH])
def test_nothing_is_published_through_a_symbolic_link(build: Build, root: Path, tmp_path: Path, link: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(outside)
    with pytest.raises(InfrastructureError) as caught:
        put(build, root)
    assert caught.value.code == "publish-failed"
    assert list(outside.iterdir()) == []


def test_links_and_special_files_are_left_out_and_told(build: Build, root: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("do not show")
    artifacts = build.workspace.artifacts
    (artifacts / "file-link").symlink_to(secret / "key")
    (artifacts / "directory-link").symlink_to(secret)
    os.mkfifo(artifacts / "pipe")
    put(build, root)
    files = published(root / LOG_PATH)
    assert set(files) == {"console.log", "index.html", "result.json", *site.FORMS}
    page = files["index.html"].decode()
    for name in ("file-link", "directory-link", "pipe"):
        assert name in page
    assert b"do not show" not in b"".join(files.values())


def test_a_result_of_the_projects_own_making_is_not_ours(build: Build, root: Path, tmp_path: Path) -> None:
    (tmp_path / "forged.json").write_text('{"build": "x", "attempt": 99}')
    (build.workspace.artifacts / "result.json").symlink_to(tmp_path / "forged.json")
    put(build, root)
    assert json.loads((root / LOG_PATH / "result.json").read_text())["attempt"] == 1


def test_a_report_keeps_its_start_page_and_one_at_the_top_gets_another_name(build: Build, root: Path) -> None:
    artifacts = build.workspace.artifacts
    (artifacts / "index.html").write_text("top")
    (artifacts / "coverage").mkdir()
    (artifacts / "coverage" / "index.html").write_text("report")
    put(build, root)
    files = published(root / LOG_PATH)
    assert files["index.1.html"] == b"top"
    assert files["coverage/index.html"] == b"report"
    assert b"FAILURE" in files["index.html"]


def test_names_of_any_bytes_are_published_and_linked(build: Build, root: Path) -> None:
    given = [b"new\nline", b"\xff\xfe", "snö ☃".encode(), b'"><img onerror=x>', "\u202eexe.txt".encode(), b"a:b?c#d%41"]
    for name in given:
        (Path(os.fsdecode(bytes(build.workspace.artifacts) + b"/" + name))).write_bytes(name)
    put(build, root)
    page = (root / LOG_PATH / "index.html").read_bytes()
    assert set(given) < {os.fsencode(name) for name in names(root / LOG_PATH)}
    assert b"<img" not in page
    assert b"./a%3Ab%3Fc%23d%2541" in page
    assert b"./%FF%FE" in page
    assert b"./new%0Aline" in page


def test_empty_and_missing_artifacts_still_make_a_page(build: Build, root: Path, tmp_path: Path) -> None:
    publication.publish(tmp_path / "nowhere", root, None, LOG_PATH, outcome_of(build))
    assert set(published(root / LOG_PATH)) == {"index.html", "result.json", *site.FORMS}
    assert "There is no log." in (root / LOG_PATH / "index.html").read_text()


def test_directories_nested_beyond_reason_do_not_stop_the_rest(build: Build, root: Path) -> None:
    deep = build.workspace.artifacts
    for _ in range(60):
        deep /= "d"
    deep.mkdir(parents=True)
    (build.workspace.artifacts / "kept").write_text("kept")
    put(build, root)
    assert (root / LOG_PATH / "kept").exists()
    assert "nested too deeply" in (root / LOG_PATH / "index.html").read_text()


def test_everyone_can_read_what_is_published(build: Build, root: Path) -> None:
    (build.workspace.artifacts / "sub").mkdir(mode=0o700)
    (build.workspace.artifacts / "sub" / "private").write_text("x")
    (build.workspace.artifacts / "sub" / "private").chmod(0o600)
    (build.workspace.artifacts / "program").write_text("x")
    (build.workspace.artifacts / "program").chmod(0o4755)
    umask = os.umask(0o077)
    try:
        root.mkdir(mode=0o755)
        plugin.thcore_publish(build, PublishLocalOptions(root), outcome_of(build))
    finally:
        os.umask(umask)
    for path in (root / "45").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644), path


def test_text_that_is_no_unicode_does_not_break_the_result(build: Build, root: Path) -> None:
    put(build, root, summary="broken \udcff name")
    assert from_json((root / LOG_PATH / "result.json").read_text()).summary == "broken ? name"


def test_loading_the_plugin_loads_no_template_engine() -> None:
    code = "import thplugins_publish_local.plugin, sys; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_builds_that_are_published_at_the_same_time_are_all_listed(build: Build, root: Path) -> None:
    def one(number: int) -> None:
        log_path = f"periodic/job/build-{number}"
        outcome = evolve(outcomes.passing(), build=f"b{number}", log_path=log_path)
        publication.publish(build.workspace.artifacts, root, None, log_path, outcome)
        publication.relist(root, log_path, outcome=outcome)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(16)))
    listing = (root / "periodic/job/index.html").read_text()
    assert listing.count(">SUCCESS<") == 16
    ours = [".builds.json", "index.html"]
    assert names(root / "periodic" / "job") == sorted([*ours, *(f"build-{number}" for number in range(16))])


def test_a_whole_job_is_published(tmp_path: Path, root: Path) -> None:
    options = PublishLocalOptions(root, "https://logs.example.org")
    outcome, _ = run_job(tmp_path, {"publish_local": plugin}, options={"publish_local": options})
    address = "https://logs.example.org/45/12345/2/check/job/b000000/"
    assert [(told.url, told.plugin) for told in outcome.publications] == [(address, "publish_local")]
    assert outcome.verdict.value in (root / "45/12345/2/check/job/b000000/index.html").read_text()
