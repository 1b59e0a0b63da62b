"""What every publisher does."""

# ruff: noqa: S101 - pytest's checks are assertions
from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

from thcore.errors import CancelledError, DeadlineError, InfrastructureError
from thcore.model import Fence, Finding, LivePage, Outcome, Publication, Severity, Verdict, WorkerInfo
from thcore.model.document import from_json, to_json
from thcore.testing.build import ProvidedBuild
from thcore.testing.contract import hostile
from thcore.testing.contract.bench import Bench, passed_on
from thcore.testing.contract.kill import killed, log_path
from thcore.testing.contract.plugin import PluginContract, given
from thcore.testing.local import NAME

EVIDENCE: Mapping[str, bytes] = {
    "empty.txt": b"",
    "every-byte.bin": bytes(range(256)),
    "datasets/small/steps.json": b"[]\n",
    "datasets/large/dump.sql": b"insert into t values (1);\n" * 40_000,
    "with space.txt": "Z\u00fcrich\r\n".encode(),
}
_AT = datetime.datetime(2026, 3, 1, 10, 0, 0, tzinfo=datetime.UTC)
_SECRET = b"a file of the worker that no build may publish\n"


class PublisherContract(PluginContract):
    """Checks of a plugin that implements ``thcore_publish`` and publishes the evidence.

    ``read_back`` says how to read a published file. ``broken`` are options, written as in a configuration, of a target
    that cannot be reached; None leaves that check out.
    """

    hook = "thcore_publish"
    broken: Any = None

    def read_back(self, options: Any, log_path: str, name: str) -> bytes | None:
        """A published file, None when there is none of that name.

        ``options`` is an instance of the plugin's class, ``log_path`` the build's. ``name`` is the path of the file in
        the evidence; bytes that are no UTF-8 are in it as ``os.fsdecode`` has them.
        """
        raise NotImplementedError("say how to read a published file back")

    @pytest.fixture
    def unreachable(self, request: pytest.FixtureRequest, bench: Bench) -> Bench:
        """The plugin with a target that cannot be reached."""
        broken = given(request, "broken")
        if broken is None:
            pytest.skip("the suite is given no broken options")
        return bench.with_options(broken)

    def test_all_evidence_can_be_read_back_byte_for_byte(self, bench: Bench) -> None:
        with bench.build() as build:
            build.log("a line of the log")
            _publish(bench, build, evidence=EVIDENCE)

            read = {name: self.read_back(bench.options, build.log_path, name) for name in EVIDENCE}
            assert read == EVIDENCE
            log = self.read_back(bench.options, build.log_path, "console.log")
            assert log == build.workspace.log.read_bytes()

    @pytest.mark.parametrize("verdict", list(Verdict))
    def test_every_outcome_is_published_at_a_complete_address(self, bench: Bench, verdict: Verdict) -> None:
        with bench.build() as build:
            publication = _publish(bench, build, verdict)

            address = urlsplit(publication.url)
            assert address.scheme
            assert address.netloc or address.path.startswith("/")
            told = self._result(bench, build)
            assert (told.build, told.attempt, told.verdict) == (build.id, build.attempt, verdict)

    def test_publishing_twice_is_publishing_once(self, bench: Bench) -> None:
        with bench.build() as build:
            first = _publish(bench, build, evidence=EVIDENCE)
            before = {name: self.read_back(bench.options, build.log_path, name) for name in EVIDENCE}
            again = _publish(bench, build, evidence=EVIDENCE)

            assert first.url == again.url
            assert before == {name: self.read_back(bench.options, build.log_path, name) for name in EVIDENCE}
            assert self._result(bench, build).attempt == 1

    def test_a_later_attempt_takes_the_place_of_an_earlier_one(self, bench: Bench) -> None:
        with bench.build(attempt=1) as first, bench.build(attempt=2) as second:
            _publish(bench, first, evidence={"both.txt": b"first", "first/only.txt": b"first"})
            _publish(bench, second, evidence={"both.txt": b"second"})

            assert self.read_back(bench.options, second.log_path, "both.txt") == b"second"
            assert self.read_back(bench.options, second.log_path, "first/only.txt") is None
            assert self._result(bench, second).attempt == 2

    def test_an_earlier_attempt_that_comes_late_overwrites_nothing(self, bench: Bench) -> None:
        with bench.build(attempt=1) as first, bench.build(attempt=2) as second:
            _publish(bench, second, evidence={"both.txt": b"second"})
            with suppress(InfrastructureError):
                _publish(bench, first, evidence={"both.txt": b"first", "first/only.txt": b"first"})

            assert self.read_back(bench.options, second.log_path, "both.txt") == b"second"
            assert self.read_back(bench.options, second.log_path, "first/only.txt") is None
            assert self._result(bench, second).attempt == 2

    def test_an_attempt_of_a_worker_that_lost_the_build_overwrites_nothing(self, bench: Bench) -> None:
        """Each worker counts its own attempts: of two workers' the one that was started later counts."""
        earlier, later = Fence("lost-it", 2, _AT), Fence("has-it", 1, _AT + datetime.timedelta(seconds=5))
        with bench.build(attempt=later.attempt) as theirs, bench.build(attempt=earlier.attempt) as ours:
            _publish(bench, theirs, evidence={"both.txt": b"later"}, fence=later)
            with suppress(InfrastructureError):
                _publish(bench, ours, evidence={"both.txt": b"earlier"}, fence=earlier)

            assert self.read_back(bench.options, theirs.log_path, "both.txt") == b"later"

    def test_an_attempt_of_a_worker_that_was_handed_the_build_takes_the_place_of_the_other(self, bench: Bench) -> None:
        earlier, later = Fence("lost-it", 2, _AT), Fence("has-it", 1, _AT + datetime.timedelta(seconds=5))
        with bench.build(attempt=later.attempt) as theirs, bench.build(attempt=earlier.attempt) as ours:
            _publish(bench, ours, evidence={"both.txt": b"earlier"}, fence=earlier)
            _publish(bench, theirs, evidence={"both.txt": b"later"}, fence=later)

            assert self.read_back(bench.options, theirs.log_path, "both.txt") == b"later"

    def test_the_address_that_is_told_before_is_the_one_that_is_told_in_the_end(self, bench: Bench) -> None:
        if not bench.plugins.implementing("thcore_address"):
            pytest.skip("the plugin tells no address before")
        with bench.build() as build:
            address = bench.plugins.address(NAME, build.request, bench.options, bench.settings)
            assert address in {None, _publish(bench, build).url}

    def test_the_page_of_a_running_build_can_be_read_and_the_evidence_takes_its_place(self, bench: Bench) -> None:
        with bench.build() as build:
            shown = _show(bench, build, _page(build, "live/log-000001.txt", "live/state.json", "index.html"))
            for name in ("live/log-000001.txt", "index.html"):
                assert self.read_back(bench.options, build.log_path, name) == b"running: " + name.encode()

            assert _publish(bench, build, evidence=EVIDENCE).url == shown.url
            page = self.read_back(bench.options, build.log_path, "index.html")
            assert page is not None
            assert not page.startswith(b"running: ")
            for name in ("live/log-000001.txt", "live/state.json"):
                assert self.read_back(bench.options, build.log_path, name) is None

    def test_the_page_of_a_running_build_is_renewed(self, bench: Bench) -> None:
        with bench.build() as build:
            _show(bench, build, _page(build, "live/log-000001.txt", "live/state.json", "index.html"))
            _show(bench, build, _page(build, "live/log-000002.txt", "live/state.json", "index.html"))
            for name in ("live/log-000001.txt", "live/log-000002.txt"):
                assert self.read_back(bench.options, build.log_path, name) == b"running: " + name.encode()

    @pytest.mark.parametrize("attempt", [1, 2])
    def test_a_page_of_a_running_build_that_comes_late_overwrites_nothing(self, bench: Bench, attempt: int) -> None:
        """Of an attempt whose evidence is there, as well as of one that is over."""
        with bench.build(attempt=1) as late, bench.build(attempt=attempt) as build:
            _publish(bench, build, evidence=EVIDENCE)
            before = self.read_back(bench.options, build.log_path, "index.html")
            with suppress(InfrastructureError):
                _show(bench, late, _page(late, "live/log-000001.txt", "live/state.json", "index.html"))

            assert self.read_back(bench.options, build.log_path, "index.html") == before
            assert self.read_back(bench.options, build.log_path, "live/log-000001.txt") is None
            assert self._result(bench, build).attempt == attempt

    def test_a_page_of_an_earlier_attempt_overwrites_none_of_a_later_one(self, bench: Bench) -> None:
        with bench.build(attempt=1) as first, bench.build(attempt=2) as second:
            _show(bench, second, _page(second, "live/log-000002.txt", "live/state.json", "index.html"))
            with suppress(InfrastructureError):
                _show(bench, first, _page(first, "live/log-000001.txt", "live/state.json", "index.html"))

            told = self.read_back(bench.options, second.log_path, "live/state.json")
            assert told is not None
            assert json.loads(told)["attempt"] == 2

    def test_hostile_names_of_files_are_kept_or_left_out_and_hide_no_other_file(self, bench: Bench) -> None:
        files = {os.fsdecode(name): b"content of " + name for name in hostile.NAMES}
        with bench.build() as build:
            _publish(bench, build, evidence={**files, "plain.txt": b"plain"})

            for name, content in files.items():
                assert self.read_back(bench.options, build.log_path, name) in {content, None}, name
            assert self.read_back(bench.options, build.log_path, "plain.txt") == b"plain"

    def test_nothing_but_plain_files_of_the_evidence_is_published(self, bench: Bench) -> None:
        secrets = bench.directory / "secrets"
        secrets.mkdir(parents=True)
        (secrets / "secret.txt").write_bytes(_SECRET)
        with bench.build() as build:
            artifacts = build.workspace.artifacts
            (artifacts / "link.txt").symlink_to(secrets / "secret.txt")
            (artifacts / "directory").symlink_to(secrets)
            (artifacts / "loop").symlink_to(".")
            (artifacts / "dangling").symlink_to("nowhere")
            os.mkfifo(artifacts / "pipe")
            _publish(bench, build, evidence={"plain.txt": b"plain"})

            assert self.read_back(bench.options, build.log_path, "plain.txt") == b"plain"
            for name in ("link.txt", "directory/secret.txt"):
                assert self.read_back(bench.options, build.log_path, name) != _SECRET

    def test_a_target_that_cannot_be_reached_is_a_fault_of_the_infrastructure(self, unreachable: Bench) -> None:
        with unreachable.build() as build, pytest.raises(InfrastructureError):
            _publish(unreachable, build, evidence=EVIDENCE)

    def test_a_cancel_is_passed_on(self, bench: Bench) -> None:
        with bench.cancelled() as build, passed_on(CancelledError):
            _publish(bench, build)

    def test_a_deadline_is_passed_on(self, bench: Bench) -> None:
        with bench.late() as build, passed_on(DeadlineError):
            _publish(bench, build)

    def test_after_a_kill_all_is_published_when_it_is_published_again(self, bench: Bench) -> None:
        """The worker has the evidence of a build published again whose process died over it."""

        def publish(ground: Bench, build: ProvidedBuild) -> None:
            _fill(build, EVIDENCE)
            _publish(ground, build)

        for ground, build_id in killed(bench, publish, self.kills):
            with ground.build(build_id, log_path=log_path(build_id)) as build:
                publish(ground, build)
                ground.clean_up(build)
                ground.clean_up(build)
                for name, content in EVIDENCE.items():
                    assert self.read_back(bench.options, build.log_path, name) == content, name
                assert self._result(bench, build).attempt == 1

    def _result(self, bench: Bench, build: ProvidedBuild) -> Outcome:
        document = self.read_back(bench.options, build.log_path, "result.json")
        assert document is not None, "result.json was not published"
        return from_json(document.decode("utf-8"))


def _publish(
    bench: Bench,
    build: ProvidedBuild,
    verdict: Verdict = Verdict.SUCCESS,
    evidence: Mapping[str, bytes] | None = None,
    fence: Fence | None = None,
) -> Publication:
    """Fill the artifacts as a build does, and publish them."""
    _fill(build, evidence or {})
    outcome = _outcome(build, verdict, fence or Fence("suite", build.attempt, _AT))
    (build.workspace.artifacts / "result.json").write_text(to_json(outcome), "utf-8")
    publication = bench.plugins.publish(NAME, build, bench.options, outcome)
    assert publication is not None, "it published nothing"
    return publication


def _fill(build: ProvidedBuild, evidence: Mapping[str, bytes]) -> None:
    for name, content in evidence.items():
        path = build.workspace.artifacts / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _page(build: ProvidedBuild, *names: str) -> LivePage:
    """The page of a running build with files of these names."""
    fence = Fence("suite", build.attempt, _AT)
    state = {"build": build.id, "attempt": fence.attempt, "worker": {"name": fence.worker}, "started": _AT.isoformat()}
    contents = {name: b"running: " + name.encode() for name in names}
    return LivePage(fence, {**contents, "live/state.json": json.dumps(state).encode()})


def _show(bench: Bench, build: ProvidedBuild, page: LivePage) -> Publication:
    """Put up the page of a running build."""
    shown = None
    if bench.plugins.implementing("thcore_publish_live"):
        shown = bench.plugins.publish_live(NAME, build, bench.options, page)
    if shown is None:
        pytest.skip("the plugin shows no build while it runs")
    return shown


def _outcome(build: ProvidedBuild, verdict: Verdict, fence: Fence) -> Outcome:
    severity = {Verdict.FAILURE: Severity.FAILURE, Verdict.UNVERIFIED: Severity.UNVERIFIED}.get(verdict)
    finding = Finding("made-by-the-suite", severity, "A finding with <markup> & more") if severity else None
    return Outcome(
        build.job,
        build.id,
        build.attempt,
        build.change,
        build.log_path,
        verdict,
        f"the suite says {verdict.value}",
        WorkerInfo(fence.worker, "localhost", "0"),
        fence.started,
        fence.started + datetime.timedelta(seconds=12),
        findings=(finding,) if finding else (),
    )
