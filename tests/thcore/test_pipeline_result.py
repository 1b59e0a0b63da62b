from __future__ import annotations

import datetime
import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from thcore.errors import InfrastructureError
from thcore.model import (
    Artifact,
    Command,
    Environment,
    Execution,
    Finding,
    Outcome,
    Severity,
    StageResult,
    Verdict,
)
from thcore.model.document import from_json, to_json
from thcore.testing import run_job
from thcore.testing.fakes import FakeAnalyser, FakeCheckout, FakeEnvironment, FakeExecutor, FakePublisher, raising

from parts.outcomes import cancelled, failing, passing, unverified

SCHEMA = msgspec.json.schema(Outcome)


def executed(directory: Path, act: Any, **plugins: object) -> tuple[Outcome, Any]:
    return run_job(directory, {"checkout": FakeCheckout(), "execute": FakeExecutor(act), **plugins})


def result(workspace: Any) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((workspace.artifacts / "result.json").read_text())
    return data


def test_the_result_is_written_valid_complete_and_the_same_when_read_back(tmp_path: Path) -> None:
    datasets = passing().datasets
    outcome, workspace = executed(
        tmp_path,
        lambda _build: Execution(0, "done", datasets=datasets, findings=failing().findings),
        publish=FakePublisher("https://logs.example.org/"),
    )
    text = (workspace.artifacts / "result.json").read_text()
    jsonschema.validate(json.loads(text), SCHEMA, format_checker=jsonschema.FormatChecker())
    read = from_json(text)
    assert read == outcome
    assert to_json(read) == text
    assert read.artifacts == ("console.log", "result.json")
    assert read.datasets == datasets
    assert read.publications[0].url == "https://logs.example.org/"
    assert read.verdict is Verdict.FAILURE


@pytest.mark.parametrize("made", [passing, failing, unverified, cancelled])
def test_every_kind_of_outcome_is_valid_and_survives_the_way_there_and_back(made: Any) -> None:
    text = to_json(made())
    jsonschema.validate(json.loads(text), SCHEMA)
    assert from_json(text) == made()


def test_the_schema_would_refuse_a_wrong_document() -> None:
    data = json.loads(to_json(passing()))
    for key, value in {"verdict": "GREAT", "findings": {}, "attempt": "one", "started": 5}.items():
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(data | {key: value}, SCHEMA)
    del data["job"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, SCHEMA)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", '{"schema_version": 1}', '{"schema_version": "x"}', "\x00", '{"schema_version": null}'],
)
def test_what_is_no_result_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a result\.json"):
        from_json(text)


def test_a_result_of_a_later_thcore_is_refused(tmp_path: Path) -> None:
    data = json.loads(to_json(passing())) | {"schema_version": 2}
    with pytest.raises(ValueError, match="its schema version 2 is newer than this thcore"):
        from_json(json.dumps(data))


def test_the_published_result_lists_itself_and_what_came_before(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []

    def publish(build: Any, _outcome: Outcome) -> None:
        seen.append(result(build.workspace))

    executed(
        tmp_path,
        lambda build: (build.workspace.artifacts / "report.txt").write_text("x") and None,
        publish=FakePublisher("https://logs.example.org/", publish),
    )
    assert seen[0]["artifacts"] == ["console.log", "report.txt", "result.json"]
    assert seen[0]["verdict"] == "SUCCESS"


def test_artifacts_from_the_workspace_become_evidence(tmp_path: Path) -> None:
    def execute(build: Any) -> Execution:
        tree = build.workspace.temporary / "tree"
        (tree / "deep").mkdir(parents=True)
        (tree / "deep" / "one.txt").write_text("one")
        (tree / "link").symlink_to("/etc/passwd")
        (tree / "directory").symlink_to(tmp_path)
        os.mkfifo(tree / "pipe")
        (build.workspace.source / "two.txt").write_text("two")
        own = build.workspace.artifacts / "own.txt"
        own.write_text("own")
        return Execution(
            0,
            artifacts=(
                Artifact(tree, "tree"),
                Artifact(build.workspace.source / "two.txt", "reports/two.txt"),
                Artifact(own, "own.txt"),
            ),
        )

    outcome, workspace = executed(tmp_path, execute)
    assert outcome.verdict is Verdict.SUCCESS, outcome.summary
    assert set(outcome.artifacts) - {"result.json"} == {
        "console.log",
        "own.txt",
        "reports/two.txt",
        "tree/deep/one.txt",
    }
    assert (workspace.artifacts / "reports" / "two.txt").read_text() == "two"
    assert (workspace.artifacts / "tree" / "directory").is_symlink()


@pytest.mark.parametrize(
    "case", ["absolute", "dots", "through a link", "a link", "absolute name", "dots in the name", "empty name"]
)
def test_artifacts_from_or_to_elsewhere_are_refused(tmp_path: Path, case: str) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "secret").write_text("keep out")

    def execute(build: Any) -> Execution:
        root = build.workspace.root
        (root / "link").symlink_to(precious)
        (root / "file").symlink_to(precious / "secret")
        (root / "fine").write_text("fine")
        artifact = {
            "absolute": Artifact(precious / "secret", "x"),
            "dots": Artifact(root / ".." / "precious" / "secret", "x"),
            "through a link": Artifact(root / "link" / "secret", "x"),
            "a link": Artifact(root / "file", "x"),
            "absolute name": Artifact(root / "fine", str(precious / "new")),
            "dots in the name": Artifact(root / "fine", "../../precious/new"),
            "empty name": Artifact(root / "fine", ""),
        }[case]
        return Execution(0, artifacts=(artifact,))

    outcome, workspace = executed(tmp_path, execute)
    assert (outcome.verdict, outcome.findings[0].code) == (Verdict.UNVERIFIED, "artifact-refused")
    assert not (workspace.artifacts / "x").exists()
    assert [path.name for path in precious.iterdir()] == ["secret"]


def test_links_that_the_change_put_into_the_evidence_do_not_lead_writes_elsewhere(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    for name in ("result", "environment", "report"):
        (precious / name).write_text("keep me")

    def surround(build: Any) -> Environment:
        (build.workspace.artifacts / "environment.txt").symlink_to(precious / "environment")
        return Environment(description=("alembic==1.16.0",))

    def execute(build: Any) -> Execution:
        artifacts = build.workspace.artifacts
        (artifacts / "result.json").symlink_to(precious / "result")
        (artifacts / "tree").mkdir()
        (artifacts / "tree" / "report").symlink_to(precious / "report")
        tree = build.workspace.temporary / "tree"
        tree.mkdir()
        (tree / "report").write_text("ours")
        return Execution(0, artifacts=(Artifact(tree, "tree"),))

    outcome, workspace = executed(tmp_path, execute, environment=FakeEnvironment(surround))
    assert outcome.verdict is Verdict.SUCCESS, outcome.summary
    assert {path.read_text() for path in precious.iterdir()} == {"keep me"}
    assert (workspace.artifacts / "environment.txt").read_text() == "alembic==1.16.0\n"
    assert (workspace.artifacts / "tree" / "report").read_text() == "ours"
    assert result(workspace)["verdict"] == "SUCCESS"


def test_an_artifact_is_not_written_through_a_directory_that_is_a_link(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()

    def execute(build: Any) -> Execution:
        (build.workspace.artifacts / "reports").symlink_to(precious)
        (build.workspace.root / "fine").write_text("fine")
        return Execution(0, artifacts=(Artifact(build.workspace.root / "fine", "reports/fine"),))

    outcome, _ = executed(tmp_path, execute)
    assert outcome.findings[0].code == "artifact-refused"
    assert list(precious.iterdir()) == []


def test_a_directory_in_the_place_of_the_result_does_not_prevent_it(tmp_path: Path) -> None:
    def execute(build: Any) -> None:
        (build.workspace.artifacts / "result.json" / "deep").mkdir(parents=True)

    _, workspace = executed(tmp_path, execute)
    assert result(workspace)["verdict"] == "SUCCESS"


def test_evidence_that_cannot_be_written_does_not_cost_the_outcome(tmp_path: Path) -> None:
    def execute(build: Any) -> None:
        for path in sorted(build.workspace.root.rglob("*"), reverse=True):
            if path.is_file():
                path.unlink()
            else:
                path.rmdir()

    outcome, _ = executed(tmp_path, execute)
    assert outcome.verdict is Verdict.SUCCESS


def test_a_name_that_is_no_text_is_listed_and_the_result_is_still_valid(tmp_path: Path) -> None:
    def execute(build: Any) -> Execution:
        Path(os.fsdecode(os.fsencode(build.workspace.artifacts) + b"/caf\xe9.txt")).write_text("x")
        return Execution(0, findings=(Finding("odd", Severity.WARNING, "name \udce9"),))

    outcome, workspace = executed(tmp_path, execute)
    assert outcome.verdict is Verdict.SUCCESS
    data = result(workspace)
    assert "caf?.txt" in data["artifacts"]
    assert data["findings"][0]["message"] == "name ?"
    to_json(outcome).encode()


def test_secrets_are_nowhere_in_log_result_or_outcome(tmp_path: Path) -> None:
    """What the log of a build is made with is what the worker's configuration holds."""
    from thcore.hooks import Workspace
    from thcore.model import BuildRequest, Change, ChangeKind, Secret, StageName, WorkerInfo
    from thcore.pipeline import lifecycle
    from thcore.pipeline.plan import Plan
    from thcore.plugins import Plugins
    from thcore.process.interrupt import Interrupt

    word = "hunter2-hunter2"

    def execute(build: Any) -> Execution:
        build.log(f"connecting with {word}")
        build.run(Command(("echo", f"password {build.secrets['upload'].reveal()}")))
        return Execution(0, f"connected as {word}", findings=(Finding("odd", Severity.WARNING, word, hint=word),))

    loaded = Plugins()
    plugins = {
        "checkout": FakeCheckout(),
        "execute": FakeExecutor(execute),
        "analyse": FakeAnalyser(raising(InfrastructureError(f"https://user:{word}@db/ is down\nand {word}"))),
    }
    for name, plugin in plugins.items():
        assert loaded.add(name, plugin)
    stages = {stage: loaded.implementing(f"thcore_{stage.value}") for stage in StageName}
    workspace = Workspace(tmp_path / "workspace")
    workspace.artifacts.mkdir(parents=True)
    workspace.temporary.mkdir()
    request = BuildRequest("b1", "job", Change("p", ChangeKind.BRANCH, branch="main"), {}, "1/b1")
    surroundings = lifecycle.Surroundings(
        loaded, WorkerInfo("w", "h", "0"), tmp_path, {"upload": Secret(word), "unset": Secret("")}
    )
    with Interrupt() as interrupt:
        outcome = lifecycle.run(
            request,
            1,
            Plan("job", tuple(plugins), stages, {}, {}),
            surroundings,
            workspace,
            interrupt,
            lambda _event: None,
        )
    log = workspace.log.read_text()
    assert "password ***" in log
    assert "connecting with ***" in log
    for text in (log, (workspace.artifacts / "result.json").read_text(), repr(outcome)):
        assert word not in text
    assert outcome.summary == "https://user:***@db/ is down"


def test_times_of_the_outcome_are_in_order_and_in_utc(tmp_path: Path) -> None:
    outcome, _ = executed(tmp_path, lambda _build: None)
    assert outcome.started.tzinfo is datetime.UTC
    assert outcome.duration_s >= sum(stage.duration_s for stage in outcome.stages) >= 0
    assert all(stage.result is StageResult.OK for stage in outcome.stages)
