from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from thcore.errors import ChangeError, InfrastructureError
from thcore.hooks import hookimpl, option
from thcore.model import (
    Change,
    ChangeKind,
    Checkout,
    Command,
    DatasetRun,
    Environment,
    Execution,
    Finding,
    JobHistory,
    Measurement,
    Outcome,
    Provision,
    Revision,
    Severity,
    Step,
    Verdict,
)
from thcore.testing import make_build, run_job
from thcore.testing.fakes import FakeCheckout, FakeEnvironment, FakeExecutor, raising

SHOW = Command(
    (sys.executable, "-c", "import json, os; print(json.dumps([dict(os.environ), os.getcwd()]))"), capture=True
)


def shown(stdout: bytes) -> tuple[dict[str, str], Path]:
    variables, directory = json.loads(stdout)
    return variables, Path(directory)


def test_a_program_sees_nothing_of_the_workers_environment_but_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK", "PYTHONPATH", "http_proxy", "THCORE_CONFIG", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "leaked")
    monkeypatch.setenv("PATH", "/somewhere/odd:/usr/bin:/bin")
    monkeypatch.setenv("HOME", "/leaked")
    with make_build(tmp_path) as build:
        variables, directory = shown(build.run(SHOW).stdout)
        root = build.workspace.root
    assert "leaked" not in " ".join(variables.values())
    assert variables.pop("PATH") == "/somewhere/odd:/usr/bin:/bin"
    assert Path(variables.pop("HOME")).is_relative_to(root)
    assert variables.pop("TMPDIR") == str(root / "tmp")
    variables.pop("LC_CTYPE", None)  # Python sets it for itself
    own = {name: value for name, value in variables.items() if not name.startswith("THCORE_")}
    assert own == {"LANG": "C.UTF-8", "TZ": "UTC", "PYTHONUNBUFFERED": "1"}
    assert directory == root


def test_an_environment_adds_to_what_a_program_sees_and_the_command_wins(tmp_path: Path) -> None:
    environment = Environment(
        variables={"A": "environment", "B": "environment"}, path=(tmp_path / "bin",), prefix=("env", "C=prefix")
    )
    command = Command(SHOW.argv, env={"B": "command"}, cwd=tmp_path, capture=True)
    with make_build(tmp_path) as build:
        variables, directory = shown(build.run(command, environment=environment).stdout)
    assert (variables["A"], variables["B"], variables["C"]) == ("environment", "command", "prefix")
    assert variables["PATH"].startswith(f"{tmp_path}/bin:")
    assert directory == tmp_path


def test_a_program_that_does_not_exist_is_no_fault_of_the_change(tmp_path: Path) -> None:
    def execute(build: Any) -> Execution:
        build.run(Command(("no-such-program-anywhere",)))
        return Execution(0)

    outcome, _ = run_job(tmp_path, {"checkout": FakeCheckout(), "execute": FakeExecutor(execute)})
    assert outcome.verdict is Verdict.UNVERIFIED
    assert "no-such-program-anywhere" in outcome.summary


def provisioned(directory: Path, checkout: FakeCheckout, *revisions: Revision) -> tuple[Outcome, list[Provision], Any]:
    made: list[Provision] = []

    def execute(build: Any) -> Execution:
        made.extend(build.provision(revision) for revision in revisions)
        return Execution(0)

    def surround(build: Any) -> Environment:
        return Environment(variables={"ROOT": str(build.workspace.root)})

    plugins = {"checkout": checkout, "environment": FakeEnvironment(surround), "execute": FakeExecutor(execute)}
    change = Change("example/shop", ChangeKind.CHANGE, "main", "refs/changes/45/12345/2", "a" * 40, "https://zuul/p")
    outcome, workspace = run_job(directory, plugins, change=change)
    return outcome, made, workspace


def test_another_revision_gets_a_workspace_of_its_own_through_the_jobs_own_plugins(tmp_path: Path) -> None:
    checkout = FakeCheckout()
    outcome, made, workspace = provisioned(
        tmp_path, checkout, Revision(branch="main"), Revision(tag="1.0"), Revision(commit="b" * 40)
    )
    assert outcome.verdict is Verdict.SUCCESS, outcome.summary
    places = [provision.checkout.path for provision in made]
    assert len({*places, workspace.source}) == 4
    assert all(place.is_dir() and place.is_relative_to(workspace.root) for place in places)
    roots = {provision.environment.variables["ROOT"] for provision in made}
    assert len(roots) == 3
    assert str(workspace.root) not in roots
    _own, branch, tag, commit = checkout.changes
    assert (branch.kind, branch.branch, branch.ref, branch.commit) == (ChangeKind.BRANCH, "main", None, None)
    assert (tag.kind, tag.ref) == (ChangeKind.TAG, "refs/tags/1.0")
    assert (commit.kind, commit.commit) == (ChangeKind.REF_UPDATED, "b" * 40)
    assert {one.project for one in checkout.changes} == {"example/shop"}
    assert outcome.commit == "a" * 40, "the build's commit is the change's, not a provision's"


def test_a_revision_is_provisioned_once(tmp_path: Path) -> None:
    checkout = FakeCheckout()
    _, made, _ = provisioned(tmp_path, checkout, Revision(tag="1.0"), Revision(tag="2.0"), Revision(tag="1.0"))
    assert made[0] is made[2]
    assert len(checkout.changes) == 3


@frozen
class Interpreter:
    python: str = option("Which.", default="3.11")
    packages: tuple[str, ...] = option("More.", default=())


class Outfit:
    """Answers an environment that tells the options which it was given."""

    @hookimpl
    def thcore_job_options(self) -> type[Interpreter]:
        return Interpreter

    @hookimpl
    def thcore_environment(self, options: Interpreter) -> Environment:
        return Environment(variables={"PYTHON": options.python, "PACKAGES": " ".join(options.packages)})


def outfitted(directory: Path, act: Any, checkout: Any = None) -> Outcome:
    """A job with options, in which ``act`` is given the build."""
    plugins = {"tree": checkout or FakeCheckout(), "outfit": Outfit(), "execute": FakeExecutor(act)}
    outcome, _ = run_job(directory, plugins, options={"outfit": Interpreter(packages=("six",))})
    return outcome


def test_a_revision_can_be_given_options_of_its_own(tmp_path: Path) -> None:
    made: dict[str, Provision] = {}

    def act(build: Any) -> None:
        made["old"] = build.provision(Revision(tag="1.0"), options={"outfit": {"python": "2.7"}})
        made["same"] = build.provision(Revision(tag="1.0"), options={"outfit": {"python": "2.7"}, "tree": {}})
        made["usual"] = build.provision(Revision(tag="1.0"))
        made["again"] = build.provision(Revision(tag="1.0"), options={"outfit": {}})

    assert outfitted(tmp_path, act).verdict is Verdict.SUCCESS
    assert made["old"].environment.variables == {"PYTHON": "2.7", "PACKAGES": "six"}
    assert made["usual"].environment.variables == {"PYTHON": "3.11", "PACKAGES": "six"}
    assert made["same"] is made["old"]
    assert made["again"] is made["usual"]
    assert made["usual"].checkout.path != made["old"].checkout.path


def test_options_of_a_revision_that_are_wrong_name_plugin_and_key_and_provision_nothing(tmp_path: Path) -> None:
    checkout = FakeCheckout()
    wrong = {"outfit": {"pyton": "2.7", "packages": "six"}, "tree": {"depth": 1}, "venv": {"python": "2.7"}}

    outcome = outfitted(tmp_path, lambda build: build.provision(Revision(tag="1.0"), options=wrong), checkout)

    assert (outcome.verdict, outcome.findings[0].code) == (Verdict.UNVERIFIED, "options-invalid")
    assert outcome.findings[0].message.split("; options of ") == [
        "options of 1.0: outfit.pyton: unknown key; did you mean python?",
        "1.0: outfit.packages: expected a list, got text; write it as [value]",
        "1.0: tree.depth: unknown key; the plugin takes none, remove it",
        "1.0: venv: the job has no such plugin; it has tree, outfit, execute",
    ]
    assert len(checkout.changes) == 1


class Resolving(FakeCheckout):
    """Its branches move each time that somebody looks."""

    looked = 0

    @hookimpl
    def thcore_resolve(self) -> str:
        self.looked += 1
        return f"{self.looked}" * 40


def test_a_name_means_the_same_commit_for_the_whole_attempt(tmp_path: Path) -> None:
    checkout = Resolving()
    seen: list[str] = []

    def act(build: Any) -> None:
        seen.append(build.resolve(Revision(branch="main")))
        seen.append(build.resolve(Revision(branch="main")))
        seen.append(build.provision(Revision(branch="main")).checkout.commit)
        seen.append(build.provision(Revision(branch="main"), options={"outfit": {"python": "2.7"}}).checkout.commit)
        seen.append(build.resolve(Revision(branch="old")))

    assert outfitted(tmp_path, act, checkout).verdict is Verdict.SUCCESS
    assert seen == ["1" * 40] * 4 + ["2" * 40]
    assert [change.commit for change in checkout.changes[1:]] == ["1" * 40] * 2, "the checkout is told which"


def test_what_was_provisioned_is_resolved_without_asking(tmp_path: Path) -> None:
    checkout = Resolving()

    def act(build: Any) -> None:
        assert build.resolve(Revision(branch="main")) == build.provision(Revision(branch="main")).checkout.commit
        assert build.provision(Revision(tag="1.0")).checkout.commit == build.resolve(Revision(tag="1.0"))

    assert outfitted(tmp_path, act, checkout).verdict is Verdict.SUCCESS
    assert checkout.looked == 1


class Blind(FakeCheckout):
    @hookimpl
    def thcore_resolve(self) -> None:
        return None


@pytest.mark.parametrize("checkout", [FakeCheckout(), Blind()], ids=["without the hook", "with one that answers None"])
def test_a_checkout_that_cannot_tell_a_commit_makes_the_work_tree(tmp_path: Path, checkout: FakeCheckout) -> None:
    def act(build: Any) -> None:
        assert build.resolve(Revision(commit="b" * 40)) == "b" * 40

    outcome = outfitted(tmp_path, act, checkout)
    assert outcome.verdict is Verdict.SUCCESS, outcome.summary
    assert [change.commit for change in checkout.changes] == [None, "b" * 40]


def test_a_commit_that_is_none_is_a_fault_of_the_plugin(tmp_path: Path) -> None:
    class Wrong(FakeCheckout):
        @hookimpl
        def thcore_resolve(self) -> str:
            return "main"

    outcome = outfitted(tmp_path, lambda build: build.resolve(Revision(branch="main")), Wrong())

    assert outcome.findings[0].code == "plugin-failed"
    assert "plugin tree (local 0), thcore_resolve answered 'main' where a commit of 40" in outcome.summary


def test_a_preparation_is_told_by_plugins_and_options(tmp_path: Path) -> None:
    seen: list[str] = []

    def act(build: Any) -> None:
        seen.append(build.preparation())
        seen.append(build.preparation(options={"outfit": {"packages": ["six"]}, "tree": {}}))
        seen.append(build.preparation(options={"outfit": {"python": "2.7"}}))
        build.preparation(options={"outfit": {"pyton": "2.7"}})

    outcome = outfitted(tmp_path, act)

    assert outcome.findings[0].code == "options-invalid"
    assert "outfit.pyton: unknown key" in outcome.findings[0].message
    same, also, other = seen
    assert same == also != other


class Listing:
    """Makes an environment as files say; whenever it looks into one, ``looked`` has it."""

    def __init__(self) -> None:
        self.looked: list[Path] = []

        def content(_build: Any, path: Path) -> str:
            self.looked.append(path)
            return path.read_text()

        @frozen
        class Options:
            path: Path = option("Which.", stands_for=content)

        self.options = Options

    @hookimpl
    def thcore_environment(self) -> Environment:
        return Environment()


def listed(directory: Path, listing: Listing, path: Path, *others: Path) -> tuple[list[str], Outcome]:
    """The preparations with one file, and with others in its place; and how the job ended."""
    seen: list[str] = []

    def act(build: Any) -> None:
        seen.append(build.preparation())
        seen.extend(build.preparation(options={"listing": {"path": str(other)}}) for other in others)

    plugins = {"tree": FakeCheckout(), "listing": listing, "execute": FakeExecutor(act)}
    outcome, _ = run_job(directory, plugins, options={"listing": listing.options(path)})
    return seen, outcome


def test_a_preparation_is_told_by_what_the_options_stand_for(tmp_path: Path) -> None:
    path = tmp_path / "list"
    seen = []
    for number, text in enumerate(("one", "one", "two")):
        path.write_text(text)
        seen += listed(tmp_path / str(number), Listing(), path)[0]
    assert seen[0] == seen[1] != seen[2]


def test_a_preparation_stays_the_same_for_the_whole_attempt(tmp_path: Path) -> None:
    first, other, listing = tmp_path / "first", tmp_path / "other", Listing()
    for path in (first, other):
        path.write_text("text")
    seen, _ = listed(tmp_path / "job", listing, first, other, other)
    assert seen[0] != seen[1] == seen[2]
    assert listing.looked == [first, other]


def test_an_option_that_cannot_be_looked_at_is_told_by_plugin_and_name(tmp_path: Path) -> None:
    _, outcome = listed(tmp_path / "job", Listing(), tmp_path / "none")
    assert outcome.verdict is Verdict.UNVERIFIED
    assert "plugin listing (local 0), option path raised FileNotFoundError" in outcome.summary


def test_a_provision_that_fails_can_be_tried_again_and_does_not_take_anothers_place(tmp_path: Path) -> None:
    class Flaky:
        def __init__(self) -> None:
            self.calls = 0

        @hookimpl
        def thcore_checkout(self, build: Any) -> Checkout:
            self.calls += 1
            build.workspace.source.mkdir(parents=True)
            if self.calls == 2:
                raise InfrastructureError("network")
            return Checkout(build.workspace.source, "c" * 40)

    def execute(build: Any) -> Execution:
        with pytest.raises(InfrastructureError, match="network"):
            build.provision(Revision(tag="1.0"))
        build.provision(Revision(tag="2.0"))
        build.provision(Revision(tag="1.0"))
        return Execution(0)

    outcome, _ = run_job(tmp_path, {"checkout": Flaky(), "execute": FakeExecutor(execute)})
    assert outcome.verdict is Verdict.SUCCESS, outcome.summary


def test_a_provision_of_a_revision_that_is_gone_raises_what_the_checkout_raised(tmp_path: Path) -> None:
    calls: list[object] = []

    def act(build: Any) -> None:
        calls.append(build)
        if len(calls) > 1:
            raising(ChangeError("no tag 1.0", code="ref-missing"))()

    outcome, _, _ = provisioned(tmp_path, FakeCheckout(act), Revision(tag="1.0"))
    assert (outcome.verdict, outcome.findings[0].code) == (Verdict.FAILURE, "ref-missing")


def test_a_build_knows_the_past_of_a_step_as_far_as_the_worker_does(tmp_path: Path) -> None:
    step, run = Step("b", ("a",)), DatasetRun("small", "sqlite", "3", "f" * 64, "alembic")
    asked: list[tuple[Step, DatasetRun, Change, int]] = []

    def recollect(*what: Any) -> tuple[Measurement, ...]:
        asked.append(what)
        return (Measurement(1.5),)

    with make_build(tmp_path, recollect=recollect) as build:
        assert build.past(step, run, limit=7) == (Measurement(1.5),)
        assert asked == [(step, run, build.change, 7)]
    with make_build(tmp_path, build_id="b2") as build:
        assert build.past(step, run) == ()


def test_a_history_that_is_away_is_told_in_the_log_and_stops_no_build(tmp_path: Path) -> None:
    def away(*_what: Any) -> tuple[Measurement, ...]:
        raise InfrastructureError("the history cannot be used", code="history-unavailable")

    with make_build(tmp_path, recollect=away) as build:
        assert build.past(Step("b", ("a",)), DatasetRun("small", "sqlite", "3", "f" * 64, "alembic")) == ()
        log = build.workspace.log.read_text("utf-8")
    assert "what a -> b cost before is not known: the history cannot be used" in log


def test_a_build_knows_what_became_of_its_job_as_far_as_the_worker_does(tmp_path: Path) -> None:
    asked: list[tuple[str, int]] = []

    def remember(job: str, limit: int) -> JobHistory:
        asked.append((job, limit))
        return JobHistory(job, left_out=3)

    def away(_job: str, _limit: int) -> JobHistory:
        raise InfrastructureError("the history cannot be used", code="history-unavailable")

    with make_build(tmp_path, job="gate", remember=remember) as build:
        assert build.recent(limit=7) == JobHistory("gate", left_out=3)
        assert asked == [("gate", 7)]
    with make_build(tmp_path, job="gate", build_id="b2") as build:
        assert build.recent() == JobHistory("gate")
    with make_build(tmp_path, job="gate", build_id="b3", remember=away) as build:
        assert build.recent() == JobHistory("gate")
        log = build.workspace.log.read_text("utf-8")
    assert "what became of this job before is not known: the history cannot be used" in log


def test_each_plugin_has_settings_and_state_of_its_own(tmp_path: Path) -> None:
    seen: dict[str, Path] = {}

    def note(build: Any) -> None:
        seen[build.plugin] = build.state
        (build.state / "cache").write_text(build.plugin)

    run_job(tmp_path, {"one": FakeCheckout(note), "two": FakeExecutor(note)})
    assert seen["one"] != seen["two"]
    assert (seen["one"] / "cache").read_text() == "one"
    assert all(not path.is_relative_to(tmp_path / "workspace") for path in seen.values())


def test_a_build_for_plugin_authors_can_be_cancelled_timed_and_heard(tmp_path: Path) -> None:
    events: list[Any] = []
    with make_build(
        tmp_path, settings={"depth": 3}, timeout_s=60, events=events, provide=lambda _revision: PROVIDED
    ) as build:
        assert build.settings == {"depth": 3}
        assert 0 < (build.remaining_s() or 0) <= 60
        assert build.provision(Revision(tag="1")) is PROVIDED
        assert build.resolve(Revision(tag="1")) == "d" * 40
        build.log("a word")
        build.check()
    assert " thcore | a word" in build.workspace.log.read_text()


PROVIDED = Provision(Checkout(Path("/nowhere"), "d" * 40), Environment())


def test_a_plugin_that_cannot_be_loaded_is_told_to_the_test_that_runs_it(tmp_path: Path) -> None:
    class Misspelt:
        @hookimpl
        def thcore_chekout(self) -> None:
            return None

    with pytest.raises(ValueError, match="did you mean thcore_checkout"):
        run_job(tmp_path, {"wrong": Misspelt(), "execute": FakeExecutor()})


def test_stages_can_be_given_to_plugins_by_name(tmp_path: Path) -> None:
    from thcore.model import StageName

    first, second = FakeCheckout(), FakeCheckout()
    warning = Finding("w", Severity.WARNING, "w")
    outcome, _ = run_job(
        tmp_path,
        {"first": first, "second": second, "execute": FakeExecutor(lambda _build: Execution(0, findings=(warning,)))},
        stages={StageName.CHECKOUT: ("second",)},
    )
    assert (len(first.changes), len(second.changes)) == (0, 1)
    assert outcome.summary == "All checks passed, with 1 warning"
