"""The working directory that a quickstart leaves behind: repository, dataset, configuration."""

from __future__ import annotations

import os
import shutil
import time
from importlib import resources
from pathlib import Path

from attrs import frozen

from thcore.errors import InfrastructureError, RefusedError
from thcore.model import Command
from thcore.process import command
from thcore.process.buildlog import BuildLog
from thcore.process.interrupt import Interrupt
from thcore.quickstart import dataset

PROJECT = "example/shop"
JOB = "gate-real-db-upgrade_shop_postgresql"

CONFIGURATION = """\
# Made by thcore quickstart. Go on from here: thcore config check, thcore run, thcore serve.

gearman:
  servers: [{server}]   # the Gearman server that Zuul uses

directories:
  state: {root}/state

slots: 2
kill_grace: 3s

defaults:
  plugins:
    git:                      # where projects are fetched from
      base_url: {root}/repositories
    venv: {{}}                  # their requirements, in an environment that is made once
    publish_local:            # where people find the evidence; give it the address of your web server
      path: {root}/results

jobs:
  - name: {job}
    timeout: 1h
    plugins:
      dbmigration:
        datasets: {root}/datasets
"""


@frozen
class SampleChange:
    """A change to the sample project: its ref, what it does, and the verdict to expect."""

    name: str
    title: str
    ref: str
    expected: str


CHANGES = (
    SampleChange("order-cents", "adds a column and fills it", "refs/changes/01/1/1", "SUCCESS"),
    SampleChange("unique-email", "makes e-mail addresses unique", "refs/changes/02/2/1", "FAILURE"),
)


@frozen
class Site:
    """The directory, absolute."""

    root: Path

    @property
    def configuration(self) -> Path:
        """The configuration file."""
        return self.root / "thcore.yaml"

    @property
    def repository(self) -> Path:
        """The sample project's repository."""
        return self.root / "repositories" / PROJECT

    @property
    def results(self) -> Path:
        """Where the evidence is published."""
        return self.root / "results"


def make(root: Path, server: str = "127.0.0.1:4730") -> Site:
    """Write everything, with ``server`` as the Gearman server of the configuration.

    Raises RefusedError when the directory has something in it already.
    """
    site = Site(root.resolve())
    if site.root.exists() and any(site.root.iterdir()):
        raise RefusedError(f"{site.root} is not empty; name another directory: thcore quickstart DIRECTORY")
    try:
        site.root.mkdir(parents=True, exist_ok=True)
        dataset.write(site.root / "datasets" / "shop_production")
        text = CONFIGURATION.format(root=site.root, job=JOB, server=server)
        site.configuration.write_text(text, encoding="utf-8")
        _make_repository(site)
    except OSError as error:
        raise InfrastructureError(f"cannot write to {site.root}: {error.strerror}") from error
    return site


def _make_repository(site: Site) -> None:
    site.repository.mkdir(parents=True)
    with BuildLog(site.root / "quickstart.log") as log, Interrupt(deadline=time.monotonic() + 60) as interrupt:

        def git(*arguments: str) -> None:
            call = Command(("git", *arguments), site.repository, _git_environment(site), source="git")
            result = command.run(call, log, interrupt)
            if not result.ok:
                raise InfrastructureError(f"git {arguments[0]}: {result.reason()}: {' '.join(result.tail[-3:])}")

        def commit(files: str, message: str) -> None:
            with resources.as_file(resources.files("thcore.quickstart") / "shop" / files) as source:
                shutil.copytree(
                    source, site.repository, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
                )
            git("add", "--all")
            git("commit", "--quiet", "--message", message)

        git("init", "--quiet", "--initial-branch", "main")
        commit("main", "A shop with customers and orders")
        for change in CHANGES:
            git("checkout", "--quiet", "-b", change.name, "main")
            commit(change.name, change.title)
            git("update-ref", change.ref, "HEAD")
            git("checkout", "--quiet", "main")
            git("branch", "--quiet", "-D", change.name)


def _git_environment(site: Site) -> dict[str, str]:
    who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in _IDENTITY}
    return who | {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(site.root),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }


_IDENTITY = (("NAME", "thcore quickstart"), ("EMAIL", "quickstart@example.org"))
