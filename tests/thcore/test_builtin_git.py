from __future__ import annotations

import contextlib
import http.server
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest
from attrs import evolve

from thcore.builtin.git import GitOptions, plugin
from thcore.builtin.git_process import Address, Git, blank_credentials, library
from thcore.builtin.lock import locked
from thcore.builtin.mirrors import forget, mirror_name
from thcore.errors import CancelledError, ChangeError, DeadlineError, InfrastructureError
from thcore.model import Attempt, Change, ChangeKind, Checkout, Seconds
from thcore.process import Interrupt
from thcore.testing import make_build
from thcore.testing.git_server import GitServer
from thcore.testing.repository import Repository

from parts.processes import ROUNDS

PROJECT = "example/project"
ZUUL_REF = "refs/zuul/main/Z0123456789abcdef0123456789abcdef"


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "origin" / PROJECT)


@pytest.fixture
def options(tmp_path: Path) -> GitOptions:
    return GitOptions(base_url=str(tmp_path / "origin"), retries=0, refresh=Seconds(0.0))


def check_out(tmp_path: Path, options: GitOptions, change: Change, build_id: str = "b1") -> Checkout:
    with make_build(tmp_path, change=change, build_id=build_id) as build:
        return plugin.thcore_checkout(build, options)


def log_of(tmp_path: Path, build_id: str = "b1") -> str:
    return (tmp_path / f"workspace-{build_id}-1" / "artifacts" / "console.log").read_text()


def test_a_change_is_fetched_from_where_zuul_merged_it(tmp_path: Path, origin: Repository, options: GitOptions) -> None:
    merger = Repository(tmp_path / "merger" / PROJECT)
    commit = merger.change(ZUUL_REF, {"new.txt": "new\n"})
    change = Change(PROJECT, ChangeKind.CHANGE, "main", ZUUL_REF, commit, source=str(tmp_path / "merger"))

    checkout = check_out(tmp_path, options, change)

    assert checkout.commit == commit
    assert checkout.path == tmp_path / "workspace-b1-1" / "source"
    assert (checkout.path / "new.txt").read_text() == "new\n"


def test_a_change_without_a_source_is_fetched_from_the_origin(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    commit = origin.change("refs/changes/45/12345/2", {"new.txt": "new\n"})
    change = Change(PROJECT, ChangeKind.CHANGE, "main", "refs/changes/45/12345/2")

    assert check_out(tmp_path, options, change).commit == commit


def test_a_change_needs_no_base_url(tmp_path: Path, options: GitOptions) -> None:
    change = Change(PROJECT, ChangeKind.CHANGE, "main", ZUUL_REF, source="https://127.0.0.1:1/p")

    with pytest.raises(InfrastructureError) as raised:
        check_out(tmp_path, evolve(options, base_url=None), change)

    assert raised.value.code == "fetch-failed"
    assert "https://127.0.0.1:1/p/example/project" in str(raised.value)


def test_a_ref_that_was_merged_anew_is_a_mismatch(tmp_path: Path, origin: Repository, options: GitOptions) -> None:
    origin.change(ZUUL_REF, {"new.txt": "new\n"})
    change = Change(PROJECT, ChangeKind.CHANGE, "main", ZUUL_REF, "1" * 40)

    with pytest.raises(InfrastructureError) as raised:
        check_out(tmp_path, options, change)

    assert raised.value.code == "commit-mismatch"


def test_a_missing_change_ref_is_no_fault_of_the_change(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    with pytest.raises(InfrastructureError) as raised:
        check_out(tmp_path, options, Change(PROJECT, ChangeKind.CHANGE, "main", ZUUL_REF))

    assert raised.value.code == "fetch-failed"
    assert "couldn't find remote ref" in str(raised.value)


def test_a_commit_that_the_mirror_has_is_not_fetched_again(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    commit = origin.change(ZUUL_REF, {"new.txt": "new\n"})
    change = Change(PROJECT, ChangeKind.CHANGE, "main", ZUUL_REF, commit)
    check_out(tmp_path, options, change)
    origin.drop(ZUUL_REF)

    assert check_out(tmp_path, options, change, "b2").commit == commit


@pytest.mark.parametrize("ref", ["main", "refs/heads/main"])
def test_a_branch_that_moved_is_checked_out_at_the_new_revision(
    tmp_path: Path, origin: Repository, options: GitOptions, ref: str
) -> None:
    commit = origin.commit({"second": "second\n"})
    origin.commit({"third": "third\n"})

    checkout = check_out(tmp_path, options, Change(PROJECT, ChangeKind.REF_UPDATED, ref=ref, commit=commit))

    assert checkout.commit == commit
    assert not (checkout.path / "third").exists()


def test_a_commit_alone_is_found(tmp_path: Path, origin: Repository, options: GitOptions) -> None:
    commit = origin.head()
    origin.commit({"third": "third\n"})

    assert check_out(tmp_path, options, Change(PROJECT, ChangeKind.REF_UPDATED, commit=commit)).commit == commit


def test_a_revision_that_the_origin_lacks_yet_comes_from_the_merger(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    merger = Repository(tmp_path / "merger" / PROJECT)
    commit = merger.commit({"second": "second\n"})
    change = Change(PROJECT, ChangeKind.REF_UPDATED, ref="main", commit=commit, source=str(tmp_path / "merger"))

    assert check_out(tmp_path, options, change).commit == commit


def test_an_unknown_revision_is_no_fault_of_the_change(tmp_path: Path, origin: Repository, options: GitOptions) -> None:
    with pytest.raises(InfrastructureError) as raised:
        check_out(tmp_path, options, Change(PROJECT, ChangeKind.REF_UPDATED, ref="main", commit="1" * 40))

    assert raised.value.code == "fetch-failed"
    assert f"does not have {'1' * 40}" in str(raised.value)


@pytest.mark.parametrize("named", ["tag object", "commit", None])
def test_an_annotated_tag_is_checked_out_at_its_commit(
    tmp_path: Path, origin: Repository, options: GitOptions, named: str | None
) -> None:
    tag = origin.tag("1.0.0")
    expected = origin.head()
    origin.commit({"later": "later\n"})
    commit = {"tag object": tag, "commit": expected, None: None}[named]

    checkout = check_out(tmp_path, options, Change(PROJECT, ChangeKind.TAG, ref="refs/tags/1.0.0", commit=commit))

    assert checkout.commit == expected != tag
    assert (checkout.path / ".git" / "HEAD").read_text().strip() == expected


def test_a_branch_is_checked_out_at_its_tip_of_this_moment(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    lazy = evolve(options, refresh=Seconds(3600.0))
    origin.branch("stable/2025.1")
    check_out(tmp_path, lazy, Change(PROJECT, ChangeKind.BRANCH, branch="stable/2025.1"))
    origin.git("checkout", "--quiet", "stable/2025.1")
    tip = origin.commit({"newer": "newer\n"})

    assert check_out(tmp_path, lazy, Change(PROJECT, ChangeKind.BRANCH, branch="stable/2025.1"), "b2").commit == tip


def test_a_build_without_a_branch_gets_the_configured_one(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    stable = origin.branch("stable/2025.1")
    change = Change(PROJECT, ChangeKind.BRANCH)

    assert check_out(tmp_path, evolve(options, branch="stable/2025.1"), change).commit == stable
    assert check_out(tmp_path, options, change, "b2").commit == origin.head()


def test_a_deleted_ref_ends_with_a_clear_result(tmp_path: Path, options: GitOptions) -> None:
    with pytest.raises(ChangeError) as raised:
        check_out(tmp_path, options, Change(PROJECT, ChangeKind.REF_DELETED, ref="refs/heads/gone"))

    assert raised.value.code == "ref-deleted"
    assert str(raised.value) == "refs/heads/gone was deleted: there is nothing to check out"


def test_a_work_tree_has_the_tags_of_the_origin(tmp_path: Path, origin: Repository, options: GitOptions) -> None:
    origin.tag("1.0.0")
    commit = origin.change(ZUUL_REF, {"new.txt": "new\n"})

    checkout = check_out(tmp_path, options, Change(PROJECT, ChangeKind.CHANGE, "main", ZUUL_REF, commit))

    with make_build(tmp_path, build_id="b2") as build:
        described = Git(build, 60.0)("describe", "--tags", directory=checkout.path)
    assert described.startswith("1.0.0-1-g")


def test_an_origin_that_is_away_does_not_stop_a_change_from_the_merger(tmp_path: Path, options: GitOptions) -> None:
    merger = Repository(tmp_path / "merger" / PROJECT)
    commit = merger.change(ZUUL_REF, {"new.txt": "new\n"})
    change = Change(PROJECT, ChangeKind.CHANGE, "main", ZUUL_REF, commit, source=str(tmp_path / "merger"))

    assert check_out(tmp_path, options, change).commit == commit
    assert "could not be refreshed" in log_of(tmp_path)


def test_branches_that_turn_into_directories_do_not_break_the_mirror(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    origin.branch("topic")
    check_out(tmp_path, options, Change(PROJECT, ChangeKind.BRANCH, branch="topic"))
    origin.git("branch", "-D", "topic")
    tip = origin.branch("topic/one")

    assert check_out(tmp_path, options, Change(PROJECT, ChangeKind.BRANCH, branch="topic/one"), "b2").commit == tip
    assert "could not be refreshed" not in log_of(tmp_path, "b2")


@pytest.mark.parametrize(
    "project",
    ["", "-upload-pack=x", "../other", "a/../../b", "/etc", "a//b", "a/", "a b", "a\nb", "a\x00b", "a\\b", "."],
)
def test_hostile_projects_are_refused(tmp_path: Path, options: GitOptions, project: str) -> None:
    with pytest.raises(ChangeError):
        check_out(tmp_path, options, Change(project, ChangeKind.BRANCH, branch="main"))

    assert not (tmp_path / "state" / "plugins" / "mirrors").exists()


@pytest.mark.parametrize(
    "ref",
    ["--upload-pack=touch x", "-x", "", "a..b", "a:b", "+a", "refs/heads/*", "a b", "a^", "a~1", "@{u}", "a\x00", "/a"],
)
@pytest.mark.parametrize("kind", [ChangeKind.CHANGE, ChangeKind.TAG, ChangeKind.REF_UPDATED])
def test_hostile_refs_are_refused(
    tmp_path: Path, origin: Repository, options: GitOptions, ref: str, kind: ChangeKind
) -> None:
    with pytest.raises((ChangeError, InfrastructureError)) as raised:
        check_out(tmp_path, options, Change(PROJECT, kind, ref=ref))

    assert ref == "+a" or isinstance(raised.value, ChangeError)


@pytest.mark.parametrize(
    "source", ["ext::sh -c touch% x", "-oProxyCommand=x", "/srv", "file:///srv", "fd::3", "relative/path", "", "h:p"]
)
def test_hostile_sources_are_refused(tmp_path: Path, options: GitOptions, source: str) -> None:
    remote = evolve(options, base_url="https://git.example.org")
    change = Change(PROJECT, ChangeKind.CHANGE, "main", ZUUL_REF, source=source)

    with pytest.raises((ChangeError, InfrastructureError)) as raised:
        check_out(tmp_path, evolve(remote, base_url=None) if not source else remote, change)

    assert not source or "is no address to fetch from" in str(raised.value)


def test_a_base_url_that_is_no_address_is_a_configuration_error() -> None:
    with pytest.raises(ValueError, match="no http"):
        GitOptions(base_url="ext::sh")


@pytest.mark.system
def test_a_change_with_a_submodule_is_checked_out_from_a_server(thcore_git: GitServer, tmp_path: Path) -> None:
    """What is fetched over the network lies in a mirror of this machine, which git may read."""
    thcore_git.repository("group/inner", {"inner.txt": "inner\n"})
    outer = thcore_git.repository("group/outer")
    outer.git("config", "remote.origin.url", f"{thcore_git.url}/group/outer")
    outer.git("submodule", "--quiet", "add", "../inner", "lib")
    outer.commit({"outer.txt": "outer\n"})
    options = GitOptions(base_url=thcore_git.url, retries=0)

    checkout = check_out(tmp_path, options, Change("group/outer", ChangeKind.BRANCH, branch="main"))

    assert (checkout.path / "outer.txt").read_text() == "outer\n"
    assert (checkout.path / "lib" / "inner.txt").read_text() == "inner\n"


def test_a_submodule_is_checked_out(tmp_path: Path, origin: Repository, options: GitOptions) -> None:
    inner = Repository(tmp_path / "origin" / "example" / "inner", {"inner.txt": "inner\n"})
    outer = Repository(tmp_path / "origin" / "example" / "outer", {"outer.txt": "outer\n"})
    outer.submodule("../inner", "deep")
    origin.submodule("../outer", "lib/outer")

    checkout = check_out(tmp_path, options, Change(PROJECT, ChangeKind.BRANCH, branch="main"))

    assert (checkout.path / "lib/outer/outer.txt").read_text() == "outer\n"
    assert (checkout.path / "lib/outer/deep/inner.txt").read_text() == "inner\n"
    without = evolve(options, submodules=False)
    bare = check_out(tmp_path, without, Change(PROJECT, ChangeKind.BRANCH, branch="main"), "b2")
    assert not (bare.path / "lib/outer/outer.txt").exists()
    assert inner.head()


@pytest.mark.parametrize("url", ["{outside}", "file://{outside}", "../../../outside", "ext::sh -c date", "-x"])
def test_a_submodule_outside_the_base_is_refused(
    tmp_path: Path, origin: Repository, options: GitOptions, url: str
) -> None:
    outside = Repository(tmp_path / "outside")
    origin.submodule(outside.url, "lib")
    origin.commit({".gitmodules": f'[submodule "lib"]\n\tpath = lib\n\turl = {url.format(outside=outside.url)}\n'})

    with pytest.raises(ChangeError) as raised:
        check_out(tmp_path, options, Change(PROJECT, ChangeKind.BRANCH, branch="main"))

    assert raised.value.code == "submodule-refused"


def test_a_submodule_commit_that_was_never_pushed_is_the_changes_fault(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    Repository(tmp_path / "origin" / "example" / "inner")
    origin.submodule("../inner", "lib")
    origin.git("update-index", "--cacheinfo", f"160000,{'1' * 40},lib")
    origin.git("commit", "--quiet", "-m", "a commit that nobody has")

    with pytest.raises(ChangeError) as raised:
        check_out(tmp_path, options, Change(PROJECT, ChangeKind.BRANCH, branch="main"))

    assert raised.value.code == "submodule-missing"


def test_a_corrupt_mirror_is_made_anew_once(tmp_path: Path, origin: Repository, options: GitOptions) -> None:
    lazy = evolve(options, refresh=Seconds(3600.0))
    change = Change(PROJECT, ChangeKind.BRANCH, branch="main")
    check_out(tmp_path, lazy, change)
    generation = next((tmp_path / "state").rglob("1.git"))
    for pack in (generation / "objects" / "pack").glob("*.pack"):
        pack.chmod(0o644)
        pack.write_bytes(b"nothing of use")

    assert check_out(tmp_path, lazy, change, "b2").commit == origin.head()
    assert "is made anew" in log_of(tmp_path, "b2")

    for build_id in ("b1", "b2"):
        forget(generation.parent.parent, build_id, 1)
    assert [path.name for path in generation.parent.glob("*.git")] == ["2.git"]


def test_locks_left_by_a_killed_git_do_not_stop_the_next_build(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    check_out(tmp_path, options, Change(PROJECT, ChangeKind.BRANCH, branch="main"))
    generation = next((tmp_path / "state").rglob("1.git"))
    for name in ("packed-refs.lock", "refs/heads/main.lock"):
        (generation / name).touch()
        os.utime(generation / name, (1, 1))
    tip = origin.commit({"more": "more\n"})

    assert check_out(tmp_path, options, Change(PROJECT, ChangeKind.BRANCH, branch="main"), "b2").commit == tip
    assert "could not be refreshed" not in log_of(tmp_path, "b2")


def test_cleanup_drops_the_refs_of_its_attempt_only(tmp_path: Path, origin: Repository, options: GitOptions) -> None:
    with make_build(tmp_path, change=Change(PROJECT, ChangeKind.BRANCH, branch="main"), build_id="b1") as build:
        plugin.thcore_checkout(build, options)
        state = build.state
    check_out(tmp_path, options, Change(PROJECT, ChangeKind.BRANCH, branch="main"), "b2")
    refs = next((tmp_path / "state").rglob("1.git")) / "refs" / "thcore"
    assert len(list(refs.iterdir())) == 2

    for _ in range(2):
        plugin.thcore_cleanup(Attempt("b1", "job", 1, tmp_path, state), None)

    assert len(list(refs.iterdir())) == 1


def test_cleanup_removes_the_pack_that_a_killed_fetch_left(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    with make_build(tmp_path, change=Change(PROJECT, ChangeKind.BRANCH, branch="main"), build_id="b1") as build:
        plugin.thcore_checkout(build, options)
        state = build.state
    generation = next((tmp_path / "state").rglob("1.git"))
    packs = generation / "objects" / "pack"
    argv = ["git", "-C", str(generation), "index-pack", "--stdin", "--keep=fetch-pack"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as indexing:
        assert indexing.stdin is not None
        indexing.stdin.write(b"PACK" + (2).to_bytes(4, "big") + (5).to_bytes(4, "big"))
        indexing.stdin.flush()
        while not list(packs.glob("tmp_pack_*")):
            assert indexing.poll() is None
        indexing.kill()
    with locked(generation.parent / "lock", lambda: None, shared=True):
        plugin.thcore_cleanup(Attempt("b1", "job", 1, tmp_path, state), None)
        assert list(packs.glob("tmp_pack_*")), "another build may be writing it"

    plugin.thcore_cleanup(Attempt("b1", "job", 1, tmp_path, state), None)

    assert list(packs.glob("tmp_*")) == []


def test_many_packs_are_joined_without_dropping_an_object(
    tmp_path: Path, origin: Repository, options: GitOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thcore.builtin.mirrors._MANY_PACKS", 4)
    commits = {}
    for number in range(6):
        ref = f"{ZUUL_REF}{number}"
        commits[ref] = origin.change(ref, {f"new-{number}": "new\n"})
        check_out(tmp_path, options, Change(PROJECT, ChangeKind.CHANGE, "main", ref, commits[ref]), f"b{number}")
        forget(next((tmp_path / "state").rglob("mirrors")), f"b{number}", 1)
        origin.drop(ref)

    packs = list(next((tmp_path / "state").rglob("1.git")).glob("objects/pack/*.pack"))
    assert len(packs) <= 4
    for number, (ref, commit) in enumerate(commits.items()):
        change = Change(PROJECT, ChangeKind.CHANGE, "main", ref, commit)
        checkout = check_out(tmp_path, options, change, f"c{number}")
        assert (checkout.path / f"new-{number}").exists()


@pytest.mark.system
@pytest.mark.parametrize("refresh_s", [0.0, 3600.0])
def test_eight_builds_at_once_never_disturb_each_other(
    tmp_path: Path, origin: Repository, options: GitOptions, refresh_s: float
) -> None:
    options = evolve(options, refresh=Seconds(refresh_s))

    def one(round_number: int, slot: int) -> tuple[str, str]:
        ref = f"refs/changes/{round_number}/{slot}/1"
        change = Change(PROJECT, ChangeKind.CHANGE, "main", ref, expected[ref])
        checkout = check_out(tmp_path, options, change, f"r{round_number}s{slot}")
        return (checkout.path / "which").read_text(), ref

    expected: dict[str, str] = {}
    with ThreadPoolExecutor(8) as pool:
        for round_number in range(ROUNDS):
            for slot in range(8):
                ref = f"refs/changes/{round_number}/{slot}/1"
                expected[ref] = origin.change(ref, {"which": ref})
            # Branches move and vanish while builds refresh the mirror.
            origin.branch(f"round/{round_number}")
            if round_number:
                origin.git("branch", "-D", f"round/{round_number - 1}")
            for text, ref in pool.map(one, [round_number] * 8, range(8)):
                assert text == ref

    assert [path.name for path in next((tmp_path / "state").rglob("1.git")).parent.glob("*.git")] == ["1.git"]


@contextlib.contextmanager
def silent_server() -> Iterator[str]:
    """Takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_cancelled_fetch_ends_at_once(tmp_path: Path) -> None:
    change = Change(PROJECT, ChangeKind.BRANCH, branch="main")
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        Interrupt() as interrupt,
        make_build(tmp_path, change=change, interrupt=interrupt) as build,
        ThreadPoolExecutor(1) as pool,
    ):
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        fetch = pool.submit(plugin.thcore_checkout, build, GitOptions(base_url=url))
        connection, _ = server.accept()
        with connection:
            interrupt.cancel("enough")
            # Of a server that says nothing git itself has enough after a minute.
            with pytest.raises(CancelledError):
                fetch.result(30)
            assert _gone(url)


def test_a_fetch_ends_with_the_deadline(tmp_path: Path) -> None:
    change = Change(PROJECT, ChangeKind.BRANCH, branch="main")
    with silent_server() as url, make_build(tmp_path, change=change, timeout_s=0.5) as build:
        with pytest.raises(DeadlineError):
            plugin.thcore_checkout(build, GitOptions(base_url=url))
        assert _gone(url)


def test_a_call_that_takes_too_long_is_a_fault_of_the_infrastructure(tmp_path: Path) -> None:
    with silent_server() as url, pytest.raises(InfrastructureError) as raised:
        check_out(
            tmp_path,
            GitOptions(base_url=url, timeout=Seconds(0.5)),
            Change(PROJECT, ChangeKind.BRANCH, branch="main"),
        )

    assert raised.value.code == "fetch-failed"
    assert "took longer than" in str(raised.value)


class _Late:
    """Wants to go on with a build when git has ended that was still at work a moment before, as on a busy machine."""

    def __init__(self, process: Path) -> None:
        self._process = process

    def check(self) -> None:
        if self._process.exists():
            with contextlib.suppress(ChildProcessError):  # it was told of already
                os.waitid(os.P_PID, int(self._process.read_text()), os.WEXITED | os.WNOWAIT)

    def log(self, message: str, *, source: str = "") -> None:
        raise AssertionError(f"{source}: {message}")


def test_what_git_says_in_the_moment_before_it_ends_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process, program = tmp_path / "process", tmp_path / "git"
    # Nothing is to be read when it is looked at for the first time, and all is there and git gone at the next look.
    program.write_text(f"#!/bin/sh\necho $$ > {process}.new\nmv {process}.new {process}\nsleep 0.5\necho told\n")
    program.chmod(0o755)
    library()  # which looks for the real one
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert Git(_Late(process), timeout_s=60)("rev-parse", "HEAD") == "told\n"


def _gone(text: str) -> bool:
    """No program with this in its command line is left. One that is being ended may take a moment to go; one that
    nobody ends waits for its silent server for ever."""
    pause = threading.Event()
    return any(not _running(text) or pause.wait(0.05) for _ in range(200))


def _running(text: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if text.encode() in path.read_bytes():
                return True
    return False


class _Refusing(http.server.BaseHTTPRequestHandler):
    """Asks for a password, then fails. ``seen`` holds what it was sent."""

    seen: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("Authorization"))
        self.send_response(500 if self.headers.get("Authorization") else 401)
        self.send_header("WWW-Authenticate", "Basic")
        self.end_headers()

    def log_request(self, *_: object) -> None:
        """Keep quiet."""


def test_credentials_are_used_but_shown_nowhere(tmp_path: Path) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        base = f"http://robot:hunter2@127.0.0.1:{server.server_port}"
        with pytest.raises(InfrastructureError) as raised:
            check_out(tmp_path, GitOptions(base_url=base, retries=0), Change(PROJECT, ChangeKind.BRANCH, branch="main"))
        server.shutdown()
        thread.join()

    assert any(value and value.startswith("Basic ") for value in _Refusing.seen)
    assert "hunter2" not in str(raised.value)
    assert "hunter2" not in log_of(tmp_path)
    for path in (tmp_path / "state").rglob("*"):
        assert not path.is_file() or b"hunter2" not in path.read_bytes()


def test_credentials_are_not_sent_to_a_host_whose_name_begins_alike(tmp_path: Path) -> None:
    with make_build(tmp_path) as build:
        git = Git(build, 60.0, secret=(Address.parse("https://robot:hunter2@git.example.org"),))
        url = git("ls-remote", "--get-url", "https://git.example.org.evil.example/x")
        right = git("ls-remote", "--get-url", "https://git.example.org/x")

    assert "hunter2" not in url
    assert "hunter2" in right


def test_credentials_in_text_are_blanked() -> None:
    assert blank_credentials("fatal: https://me:secret@host/x and ssh://git@host") == (
        "fatal: https://***@host/x and ssh://***@host"
    )


def test_the_configuration_of_the_machine_and_its_variables_do_not_matter(
    tmp_path: Path, origin: Repository, options: GitOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[core]\n\thooksPath = /nowhere\n[broken\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nowhere"))

    checkout = check_out(tmp_path, options, Change(PROJECT, ChangeKind.BRANCH, branch="main"))

    assert checkout.commit == origin.head()


def test_no_two_projects_share_a_mirror() -> None:
    names = ["a/b", "a%2Fb", "a%252Fb", "a", "a.", "A/b", "%2E", "..", "x" * 300, "x" * 301]

    assert len({mirror_name(name) for name in names}) == len(names)
    assert all(len(mirror_name(name)) <= 255 and "/" not in mirror_name(name) for name in names)
    assert {mirror_name(name) for name in (".", "..")}.isdisjoint({".", ".."})


def test_health_names_the_version_of_git() -> None:
    (finding,) = plugin.thcore_health()

    assert finding.code == "git"
    assert finding.message.startswith("git 2.")


def test_a_revision_is_resolved_without_a_work_tree_and_not_fetched_twice(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    lazy = evolve(options, refresh=Seconds(3600.0))
    branch = Change(PROJECT, ChangeKind.BRANCH, branch="main")
    with make_build(tmp_path, change=branch) as build:
        commit = plugin.thcore_resolve(build, lazy)
        assert commit == origin.head()
        assert not build.workspace.source.exists()
    origin.commit({"newer": "newer\n"})

    checkout = check_out(tmp_path, lazy, evolve(branch, commit=commit), "b2")

    assert checkout.commit == commit, "the branch has moved, but the build knows what it asked for"
    assert not (checkout.path / "newer").exists()
    assert "fetching" not in log_of(tmp_path, "b2")


def test_a_revision_that_does_not_exist_cannot_be_resolved(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    change = Change(PROJECT, ChangeKind.TAG, ref="refs/tags/never")
    with make_build(tmp_path, change=change) as build, pytest.raises(InfrastructureError) as raised:
        plugin.thcore_resolve(build, options)

    assert raised.value.code == "fetch-failed"
    assert "refs/tags/never" in str(raised.value)
