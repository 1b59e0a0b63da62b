"""Modes, owner and group of what is published."""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from thcore.config import convert
from thcore.errors import ConfigError, InfrastructureError
from thcore.hooks import Build
from thcore.testing import make_build
from thplugins_publish_local.plugin import PublishLocalOptions, plugin

from parts import outcomes

LOG_PATH = "45/12345/2/check/job/b000000"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    with make_build(tmp_path, log_path=LOG_PATH) as made:
        made.log("hello")
        (made.workspace.artifacts / "reports").mkdir()
        (made.workspace.artifacts / "reports" / "secret.txt").write_text("text")
        yield made


def publish(build: Build, **options: Any) -> None:
    outcome = evolve(outcomes.failing(), build=build.id, log_path=build.log_path)
    plugin.thcore_publish(build, PublishLocalOptions(**options), outcome)


def statuses(root: Path) -> dict[str, os.stat_result]:
    return {str(path.relative_to(root)): path.stat() for path in (root, *root.rglob("*"))}


def test_everything_that_is_published_has_the_modes_of_the_job_whatever_the_umask(build: Build, root: Path) -> None:
    umask = os.umask(0o077)
    try:
        publish(build, path=root, file_mode="0640", directory_mode="2750")
    finally:
        os.umask(umask)
    for name, status in statuses(root).items():
        wanted = 0o2750 if stat.S_ISDIR(status.st_mode) else 0o640
        assert stat.S_IMODE(status.st_mode) == wanted, name


def test_everything_that_is_published_has_the_group_of_the_job(build: Build, root: Path) -> None:
    others = [group for group in os.getgroups() if group != os.getegid()]
    if os.geteuid() == 0:
        others = [grp.getgrnam("daemon").gr_gid]
    if not others:
        pytest.skip("this account is in one group only, and may give nothing to another")
    publish(build, path=root, group=str(others[0]))
    assert {status.st_gid for status in statuses(root).values()} == {others[0]}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give things away")
def test_everything_that_is_published_has_the_owner_of_the_job_by_name(build: Build, root: Path) -> None:
    publish(build, path=root, owner="nobody", group="daemon")
    owners = {(status.st_uid, status.st_gid) for status in statuses(root).values()}
    assert owners == {(65534, grp.getgrnam("daemon").gr_gid)}


def test_a_root_of_the_operator_keeps_its_mode(build: Build, root: Path) -> None:
    root.mkdir(mode=0o711)
    root.chmod(0o711)
    publish(build, path=root, directory_mode="0750")
    assert stat.S_IMODE(root.stat().st_mode) == 0o711


def test_an_owner_that_this_machine_does_not_have_is_a_fault_of_the_place(build: Build, root: Path) -> None:
    with pytest.raises(InfrastructureError, match="this machine has no group no-such-group") as caught:
        publish(build, path=root, group="no-such-group")
    assert caught.value.code == "publish-failed"


@pytest.mark.parametrize(
    ("key", "mode", "why"),
    [
        ("file_mode", "rw", "no mode"),
        ("file_mode", "0999", "no mode"),
        ("file_mode", "0044", "could not write it"),
        ("file_mode", "4755", "must not have"),
        ("file_mode", "2755", "must not have"),
        ("directory_mode", "0644", "could not open it"),
        ("directory_mode", "1777", "must not have"),
    ],
)
def test_a_mode_that_cannot_be_is_refused_with_the_configuration(key: str, mode: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        convert.structure({"path": "/srv/logs", key: mode}, PublishLocalOptions, "options")
