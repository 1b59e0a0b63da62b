"""The examples of other CI systems: what each would run, run as it would, on the library of the tool ``command``."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from thcore.config import load
from thcore.testing.repository import Repository, files_below

from parts.example import DOCS, EXAMPLES

CI = EXAMPLES / "ci"
COMMAND = EXAMPLES / "command"
PROJECT = "example/library"

pytestmark = pytest.mark.system


class Clone:
    """A clone of the library's repository as a CI system makes one, with our script in it."""

    def __init__(self, place: Path, file: str, added: str) -> None:
        self.place = place
        files = files_below(COMMAND / "project")
        settings = (COMMAND / "thcore.yaml").read_text("utf-8").replace("/srv/git", "/tmp/thcore/git")
        files["ci/thcore.yaml"] = self._here(settings)
        files["ci/judge.sh"] = self._here((CI / "judge.sh").read_text("utf-8"))
        self.origin = Repository(place / "origin", files)
        self.origin.change("refs/changes/01/1/1", {added: (COMMAND / file).read_text("utf-8")})
        shutil.copytree(COMMAND / "dataset", place / "datasets" / "library")
        self.path = place / "clone"
        self._git("clone", "--quiet", f"file://{self.origin.path}", str(self.path), cwd=place)
        self._git("fetch", "--quiet", "origin", "refs/changes/01/1/1")
        self._git("checkout", "--quiet", "--detach", "FETCH_HEAD")

    def _here(self, text: str) -> str:
        return text.replace("/tmp/thcore", str(self.place / "thcore")).replace("/srv", str(self.place))

    def _git(self, *arguments: str, cwd: Path | None = None) -> None:
        subprocess.run(["git", *arguments], cwd=cwd or self.path, check=True, capture_output=True)

    def run(self, script: str, **variables: str) -> tuple[int, dict[str, Any]]:
        """Run a line of a CI system's file; exit status and result."""
        assert shlex.split(script)[:2] == ["sh", "ci/judge.sh"], script
        job = script.replace("gate-helpdesk", "gate-library").replace("example/helpdesk", PROJECT)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        ended = subprocess.run(
            ["sh", "-c", job],
            cwd=self.path,
            env={**os.environ, "PATH": path, "NO_COLOR": "1", **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (self.path / "result.json").stat().st_size, ended.stderr
        assert ended.stderr == ""
        return ended.returncode, json.loads((self.path / "result.json").read_text("utf-8"))


@pytest.fixture
def good(tmp_path: Path) -> Clone:
    return Clone(tmp_path, "good_change.sql", "migrations/003_authors.sql")


@pytest.fixture
def bad(tmp_path: Path) -> Clone:
    return Clone(tmp_path, "bad_change.sql", "migrations/003_one_per_author.sql")


def read(name: str) -> Any:
    return yaml.safe_load((CI / name).read_text("utf-8"))


def test_github_actions_passes_a_change_that_the_data_fits(good: Clone) -> None:
    (job,) = read("github.yml")["jobs"].values()
    (step,) = [step for step in job["steps"] if step.get("name") == "Judge"]

    code, result = good.run(step["run"], GITHUB_REPOSITORY=PROJECT, GITHUB_BASE_REF="main")

    assert (code, result["verdict"]) == (0, "SUCCESS")
    assert [step["added"] for step in result["datasets"][0]["steps"]] == [False, True], "judged against its branch"


def test_gitlab_fails_a_change_that_the_data_does_not_fit_and_has_its_reports(bad: Clone) -> None:
    job = read("gitlab.yml")["gate-helpdesk"]
    (script,) = job["script"]

    code, result = bad.run(script, CI_PROJECT_PATH=PROJECT, CI_MERGE_REQUEST_TARGET_BRANCH_NAME="main")

    assert (code, result["verdict"]) == (1, "FAILURE")
    assert code not in job["allow_failure"]["exit_codes"]
    for name in (*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]):
        assert (bad.path / name).stat().st_size, name


def test_jenkins_runs_the_same(good: Clone) -> None:
    (script,) = re.findall(r"script: '(.*)'\)", (CI / "Jenkinsfile").read_text("utf-8"))

    code, result = good.run(script, CHANGE_TARGET="main")

    assert (code, result["verdict"]) == (0, "SUCCESS")
    for name in re.findall(r"[a-z]+\.(?:json|xml|sarif|md)", (CI / "Jenkinsfile").read_text("utf-8")):
        assert (good.path / name).stat().st_size, name


def test_zuul_of_today_runs_the_same_in_a_repository_whose_origin_leads_nowhere(good: Clone) -> None:
    (play,) = read("playbook.yml")
    (task,) = play["tasks"]
    zuul = {"project": {"name": PROJECT, "canonical_name": "review.example.org/example/library"}, "branch": "main"}
    environment = jinja2.Environment(autoescape=False)
    environment.filters["quote"] = shlex.quote
    subprocess.run(["git", "remote", "set-url", "origin", "file:///dev/null"], cwd=good.path, check=True)
    (variable,) = task["environment"]
    address = environment.from_string(task["environment"][variable]).render(zuul=zuul)
    assert address == "https://review.example.org/example/library"

    script = environment.from_string(task["command"]).render(zuul=zuul)
    code, result = good.run(script, **{variable: f"file://{good.origin.path}"})

    assert (code, result["verdict"]) == (0, "SUCCESS")


def test_zuul_of_today_names_files_that_are_there_and_collects_what_the_script_leaves() -> None:
    job, project = (next(iter(entry.values())) for entry in read("zuul.yml"))
    script = (CI / "judge.sh").read_text("utf-8")
    (play,) = read("collect.yml")

    assert {Path(job["run"]).name, Path(job["post-run"]).name} == {"playbook.yml", "collect.yml"}
    assert project["check"]["jobs"] == [job["name"]]
    assert all(name in script for name in play["tasks"][0]["loop"])


def test_zuul_v2_s_layout_is_for_a_job_of_the_configuration_and_names_only_what_it_defines() -> None:
    layout = read("layout.yml")
    (job,), (project,) = layout["jobs"], layout["projects"]

    assert load(EXAMPLES / "minimal.yaml").job(job["name"]) is not None
    assert {name for name in project if name != "name"} <= {pipeline["name"] for pipeline in layout["pipelines"]}
    assert project["check"] == [job["name"]]


def test_the_configuration_and_the_files_of_each_system_name_the_same_job() -> None:
    (job,) = load(CI / "thcore.yaml").jobs

    assert f"$ sh ci/judge.sh {job.name} example/helpdesk main\n" in (DOCS / "other-ci.md").read_text("utf-8")
    for name in ("github.yml", "gitlab.yml", "Jenkinsfile", "zuul.yml", "playbook.yml"):
        assert job.name in (CI / name).read_text("utf-8"), name
