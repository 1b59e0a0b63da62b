"""The gate: every dataset of the project, one after the other. The worst one decides."""

from __future__ import annotations

from attrs import define, field

from thcore.errors import ChangeError, InfrastructureError
from thcore.hooks import Build
from thcore.model import (
    Artifact,
    ChangeKind,
    Checkout,
    DatasetRun,
    Environment,
    Execution,
    Finding,
    Provision,
    Revision,
)
from thplugins_dbmigration import datasets, messages
from thplugins_dbmigration.options import DbmigrationOptions, Judge
from thplugins_dbmigration.passage import Passage, Trunk


def run(build: Build, options: DbmigrationOptions, checkout: Checkout, environment: Environment) -> Execution:
    """Take every dataset of the change's project through the change's migrations.

    What went wrong is in the findings; limits are for ``judge``. Raises only CancelledError and DeadlineError.
    """
    change = Provision(checkout, environment)
    found, problems = datasets.discover(options.datasets, build.change.project)
    findings = [messages.seed_not_found(problem) for problem in problems]
    if not found and not problems:
        findings.append(
            messages.seed_not_found(f"no dataset in {options.datasets} is for the project {build.change.project}")
        )
    trunk = _trunk(build, options) if found else None
    if isinstance(trunk, Finding):
        return Execution(exit_code=0, message="the target branch cannot be used", findings=(*findings, trunk))
    gone = _Gone(findings=findings)
    for dataset in found:
        build.check()
        passage = Passage(build, options, dataset, change, trunk, gone.steps)
        passage.go()
        gone.add(passage)
    message = f"{_count(gone.steps, 'migration')} on {_count(len(found), 'dataset')}"
    return Execution(
        exit_code=0,
        message=message,
        artifacts=tuple(gone.artifacts),
        datasets=tuple(gone.runs),
        findings=tuple(gone.findings),
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@define
class _Gone:
    findings: list[Finding]
    runs: list[DatasetRun] = field(factory=list)
    artifacts: list[Artifact] = field(factory=list)
    steps: int = 0

    def add(self, passage: Passage) -> None:
        self.findings.extend(passage.findings)
        self.steps = passage.done
        if passage.run is not None:
            self.runs.append(passage.run)
        if passage.evidence.is_dir():
            self.artifacts.append(
                Artifact(passage.evidence, f"datasets/{passage.dataset.name}", f"Dataset {passage.dataset.name}")
            )


def _trunk(build: Build, options: DbmigrationOptions) -> Trunk | Finding | None:
    """The target branch, ready to run; None when every step is to be judged; a finding when it cannot be had."""
    branch = build.change.branch
    if options.judge is Judge.ALL or build.change.kind is not ChangeKind.CHANGE or branch is None:
        return None
    try:
        return Trunk(branch, build.provision(Revision(branch=branch)))
    except (ChangeError, InfrastructureError) as error:
        return messages.trunk_failed(branch, "it cannot be prepared", str(error).splitlines())
