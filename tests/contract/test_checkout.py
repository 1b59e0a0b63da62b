from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from thcore.builtin import git
from thcore.model import Change, ChangeKind
from thcore.testing.contract import CheckoutContract
from thcore.testing.git_server import GitServer
from thcore.testing.repository import Repository

PROJECT = "example/project"
REF = "refs/changes/45/12345/2"


class TestGit(CheckoutContract):
    plugin = git.plugin

    @pytest.fixture
    def options(self, tmp_path: Path) -> Mapping[str, Any]:
        return {"base_url": str(tmp_path / "origin"), "retries": 0, "refresh": 0}

    @pytest.fixture
    def change(self, tmp_path: Path) -> Change:
        origin = Repository(tmp_path / "origin" / PROJECT)
        commit = origin.change(REF, {"new.txt": "new\n", "deep/er.txt": "deeper\n"})
        return Change(PROJECT, ChangeKind.CHANGE, "main", REF, commit)


class TestGitOnABranch(TestGit):
    @pytest.fixture
    def change(self, tmp_path: Path) -> Change:
        Repository(tmp_path / "origin" / PROJECT)
        return Change(PROJECT, ChangeKind.BRANCH, "main")


@pytest.mark.system
@pytest.mark.usefixtures("thcore_git")
class TestGitOverTheNetwork(CheckoutContract):
    plugin = git.plugin

    @pytest.fixture
    def options(self, thcore_git: GitServer) -> Mapping[str, Any]:
        return {"base_url": thcore_git.url, "retries": 0, "refresh": 0}

    @pytest.fixture
    def change(self, thcore_git: GitServer) -> Change:
        project = f"example/{uuid.uuid4().hex}"
        commit = thcore_git.repository(project).change(REF, {"new.txt": "new\n"})
        return Change(project, ChangeKind.CHANGE, "main", REF, commit)
