# ruff: noqa: S101 - it is a test, though not below tests/
from __future__ import annotations

import pytest
from todo import Todo, plugin

from thcore.errors import ConfigError
from thcore.model import Verdict
from thcore.testing.contract import AnalyserContract
from thcore.testing.fakes import FakePublisher
from thcore.testing.git_server import GitServer
from thcore.testing.plugin import LoadPlugin, OpenStage, RunBuild


def test_a_stage_alone(thcore_stage: OpenStage) -> None:
    (finding,) = thcore_stage(Todo, {"most": 1}, files={"app.py": "# TODO\n# TODO\n"}).analyse()

    assert finding.message == "2 things are left to do, 1 may be"


def test_a_whole_build(thcore_build: RunBuild) -> None:
    build = thcore_build(
        {"git": {}, "shell": {"script": ["./test.sh"]}, "exit_status": {}, "todo": {"most": 0}},
        plugins={"todo": Todo},
        files={"app.py": "", "test.sh": "#!/bin/sh\necho all is well\n"},
        changed={"app.py": "# TODO\n"},
    )

    assert build.verdict is Verdict.FAILURE
    assert build.finding("todo").plugin == "todo"
    assert "all is well" in build.log
    assert "result.json" in build.files


def test_a_build_whose_other_stages_are_fakes(thcore_build: RunBuild) -> None:
    publisher = FakePublisher()

    build = thcore_build(plugins={"todo": Todo, "publisher": publisher}, files={"app.py": "# TODO\n"})

    (outcome,) = publisher.seen
    assert outcome.verdict is build.verdict is Verdict.FAILURE


def test_options(thcore_plugin: LoadPlugin) -> None:
    assert thcore_plugin(Todo).options({}).most == 0
    with pytest.raises(ConfigError, match="most"):
        thcore_plugin(Todo).options({"most": "few"})


def test_a_change_from_a_real_server(thcore_build: RunBuild, thcore_git: GitServer) -> None:
    thcore_git.repository("example/project", {"app.py": "# TODO\n"})

    build = thcore_build({"git": {"base_url": thcore_git.url}}, plugins={"todo": Todo})

    assert build.finding("todo")


class TestTodo(AnalyserContract):
    plugin = plugin
    files = {"app.py": "# TODO\n"}  # noqa: RUF012 - read only
