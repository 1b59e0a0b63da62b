from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from thcore.cli.main import cli


def completed(line: str, cwd: Path) -> list[str]:
    """What bash, with our script, offers at the end of a line."""
    words = line.split(" ")
    script = CliRunner().invoke(cli, ["completion", "bash"]).stdout
    asked = f"""
{script}
COMP_WORDS=({" ".join(words)})
COMP_CWORD={len(words) - 1}
_thcore_completion thcore
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(cwd), "LANG": "C.UTF-8"}
    command = ["bash", "--norc", "-c", asked]
    ended = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stderr == ""
    return ended.stdout.split()


@pytest.mark.system
def test_bash_completes_commands_those_of_plugins_and_options(tmp_path: Path) -> None:
    assert completed("thcore q", tmp_path) == ["quickstart"]
    assert completed("thcore snap", tmp_path) == ["snapshots"]
    assert completed("thcore run --pro", tmp_path) == ["--project"]
    assert completed("thcore completion z", tmp_path) == ["zsh"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_given_a_script_that_asks_thcore(shell: str) -> None:
    script = CliRunner().invoke(cli, ["completion", shell])

    assert script.exit_code == 0
    assert f"_THCORE_COMPLETE={shell}_complete" in script.stdout


def test_another_shell_is_told_which_there_are() -> None:
    ended = CliRunner().invoke(cli, ["completion", "csh"])

    assert ended.exit_code == 2
    assert "'bash', 'zsh', 'fish'" in ended.stderr
