from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from thcore.config import Config
from thcore.errors import ExitCode
from thcore.model.quantity import parse_duration

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "thcore" / "share" / "thcore.service"

# What the unit's words for a span of time are among ours.
SPANS = {"min": "m"}


@pytest.fixture(scope="module")
def service() -> dict[str, str]:
    reader = configparser.ConfigParser(strict=True, interpolation=None)
    reader.optionxform = str  # type: ignore[assignment,method-assign] # names keep their capitals
    reader.read(UNIT)
    return dict(reader["Service"])


def seconds(span: str) -> float:
    return parse_duration(re.sub("min", SPANS["min"], span))


def default(name: str) -> float:
    return float(getattr(attrs.fields(Config), name).default)


def test_a_worker_has_time_to_finish_its_builds_and_to_end_those_that_do_not(service: dict[str, str]) -> None:
    needed = default("drain_timeout") + 2 * default("kill_grace") + 60

    assert seconds(service["TimeoutStopSec"]) > needed


def test_systemd_waits_for_the_worker_to_say_that_it_is_ready_and_alive(service: dict[str, str]) -> None:
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert seconds(service["WatchdogSec"]) >= 60
    assert service["ExecReload"] == "kill -HUP $MAINPID"


def test_builds_are_the_workers_to_end_and_their_memory_is_their_own(service: dict[str, str]) -> None:
    assert service["KillMode"] == "mixed"
    assert service["Delegate"] == "yes"
    assert service["OOMPolicy"] == "continue"


def test_what_does_not_get_better_by_itself_is_not_tried_again(service: dict[str, str]) -> None:
    codes = {int(code) for code in service["RestartPreventExitStatus"].split()}

    assert codes == {ExitCode.USAGE, ExitCode.CONFIG}


@pytest.mark.parametrize(
    "setting",
    [
        "ProtectKernelTunables",
        "ProtectKernelLogs",
        "ProtectControlGroups",
        "ProtectProc",
        "ProtectClock",
        "PrivateDevices",
        "RestrictNamespaces",
        "MemoryDenyWriteExecute",
    ],
)
def test_no_hardening_that_breaks_builds(service: dict[str, str], setting: str) -> None:
    assert setting not in service


def test_the_documentation_shows_the_file_that_is_installed() -> None:
    assert (ROOT / "docs" / "examples" / "thcore.service").resolve() == UNIT


@pytest.mark.system
def test_the_workspace_has_it_installed() -> None:
    assert (Path(sys.prefix) / "share" / "thcore" / "thcore.service").read_text() == UNIT.read_text()


def verified(text: str, directory: Path) -> str:
    """What systemd has to say of a unit, on a machine that has neither this program nor this account."""
    here = text.replace("/opt/thcore/bin/thcore", sys.executable).replace("User=thcore", "User=root")
    assert here != text
    unit = directory / "thcore.service"
    unit.write_text(here)
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.system
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_understands_every_line_of_it(tmp_path: Path) -> None:
    text = UNIT.read_text()

    assert verified(text, tmp_path) == ""
    assert "Unknown key" in verified(text.replace("WatchdogSec", "WatchdogSecs"), tmp_path)
