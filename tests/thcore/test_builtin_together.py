from __future__ import annotations

from pathlib import Path

import pytest

from thcore.builtin import exit_status, git, log_patterns, shell, venv
from thcore.builtin.log_patterns import LogPatternsOptions, Pattern
from thcore.hooks import Build, hookimpl
from thcore.model import Change, ChangeKind, Checkout, Command, Environment, Execution, Outcome, Revision, Verdict
from thcore.testing import run_job
from thcore.testing.repository import Repository

from parts.package import project_files, wheel

PROJECT = "example/product"
REF = "refs/changes/45/12345/2"


def run(tmp_path: Path, script: str, executor: object = shell.plugin) -> Outcome:
    wheel(tmp_path / "wheels", "driver")
    files = project_files("product", text="RELEASE = 1\n", requires=["driver"])
    repository = Repository(tmp_path / "origin" / PROJECT, files)
    repository.tag("1.0")
    (repository.path / "gate").write_text(f"#!/bin/sh\n{script}\n")
    (repository.path / "gate").chmod(0o755)
    commit = repository.change(REF, {"product.py": "RELEASE = 2\n"})
    outcome, _ = run_job(
        tmp_path,
        {
            "git": git.plugin,
            "venv": venv.plugin,
            "shell": executor,
            "exit_status": exit_status.plugin,
            "log_patterns": log_patterns.plugin,
        },
        options={
            "git": git.GitOptions(base_url=str(tmp_path / "origin")),
            "venv": venv.VenvOptions(find_links=(str(tmp_path / "wheels"),), offline=True),
            "shell": shell.ShellOptions(("./gate",)),
            "log_patterns": LogPatternsOptions((Pattern("^deprecated"),)),
        },
        change=Change(PROJECT, ChangeKind.CHANGE, "main", REF, commit),
    )
    return outcome


@pytest.mark.parametrize(("status", "verdict"), [(0, Verdict.SUCCESS), (3, Verdict.FAILURE), (137, Verdict.UNVERIFIED)])
def test_a_job_of_the_plugins_that_thcore_ships(tmp_path: Path, status: int, verdict: Verdict) -> None:
    outcome = run(
        tmp_path,
        f'python -c "import driver, product; print(product.RELEASE)" && echo deprecated: x && exit {status}',
    )

    assert outcome.verdict is verdict, outcome
    assert {"exit-status", "killed", "log-pattern"} >= {finding.code for finding in outcome.findings}
    assert [f.message for f in outcome.findings if f.code == "log-pattern"] == ["deprecated: x"]


class Walk:
    """Looks at an older release beside the change."""

    @hookimpl
    def thcore_execute(self, build: Build, checkout: Checkout, environment: Environment) -> Execution:
        ask = Command(("python", "-c", "import product; print(product.RELEASE)"), capture=True)
        old = build.provision(Revision(tag="1.0"))
        same = build.provision(Revision(commit=old.checkout.commit))
        places = [environment, old.environment, same.environment, build.provision(Revision(branch="main")).environment]
        said = [build.run(ask, environment=place).stdout.decode().strip() for place in places]
        assert len({checkout.path, old.checkout.path, same.checkout.path}) == 3
        return Execution(exit_code=0 if said == ["2", "1", "1", "1"] else 1, message=str(said))


def test_older_revisions_are_provided_beside_the_change(tmp_path: Path) -> None:
    outcome = run(tmp_path, "exit 0", Walk())

    assert outcome.verdict is Verdict.SUCCESS, outcome.findings
