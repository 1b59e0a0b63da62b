from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from thcore.cli.main import cli

from parts.terminal import Terminal

CALLS = (
    ("thcore snap", ["snapshots"]),
    ("thcore run --pro", ["--project"]),
)
"""The begin of a line, and what a shell offers for its last word; a command of a plugin is among them."""

ZSH = r"""
autoload -U compinit && compinit -u -D
source ./script
tell() { print -r -- "<${${BUFFER% }##* }>" }
zle -N tell
bindkey '^X' tell
PS1=ready
"""


def surroundings(cwd: Path) -> dict[str, str]:
    return {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(cwd), "LANG": "C.UTF-8"}


def script(shell: str) -> str:
    """What ``thcore completion`` prints."""
    return CliRunner().invoke(cli, ["completion", shell]).stdout


def run(command: list[str], cwd: Path) -> list[str]:
    ended = subprocess.run(
        command, cwd=cwd, env=surroundings(cwd), capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.stderr == ""
    return ended.stdout.splitlines()


def needs(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")


@pytest.mark.system
@pytest.mark.parametrize(("line", "offered"), CALLS)
def test_bash_completes_commands_those_of_plugins_and_options(line: str, offered: list[str], tmp_path: Path) -> None:
    words = line.split(" ")
    asked = f"""
{script("bash")}
COMP_WORDS=({" ".join(words)})
COMP_CWORD={len(words) - 1}
_thcore_completion thcore
printf '%s\\n' "${{COMPREPLY[@]}}"
"""

    assert run(["bash", "--norc", "-c", asked], tmp_path) == offered


@pytest.mark.system
@pytest.mark.parametrize(("line", "offered"), CALLS)
def test_fish_completes_the_same(line: str, offered: list[str], tmp_path: Path) -> None:
    needs("fish")
    (tmp_path / "script").write_text(script("fish"))

    told = run(["fish", "--no-config", "-c", f"source script; complete --do-complete '{line}'"], tmp_path)

    assert [candidate.partition("\t")[0] for candidate in told] == offered


@pytest.mark.system
def test_zsh_completes_the_same(tmp_path: Path) -> None:
    needs("zsh")
    (tmp_path / "script").write_text(script("zsh"))
    (tmp_path / "start").write_text(ZSH)

    with Terminal(["zsh", "-f", "-i"], tmp_path, surroundings(tmp_path)) as terminal:
        terminal.type("source ./start\n")
        terminal.read_until("ready")
        for line, offered in CALLS:
            terminal.type(f"\x15{line}\t\x18")  # Ctrl-U empties the line, the tabulator completes, Ctrl-X tells
            told = terminal.read_until(">").rpartition("<")[2].removesuffix(">")
            assert [told] == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_given_a_script_that_asks_thcore(shell: str) -> None:
    ended = CliRunner().invoke(cli, ["completion", shell])

    assert ended.exit_code == 0
    assert f"_THCORE_COMPLETE={shell}_complete" in ended.stdout


def test_another_shell_is_told_which_there_are() -> None:
    ended = CliRunner().invoke(cli, ["completion", "csh"])

    assert ended.exit_code == 2
    assert "'bash', 'zsh', 'fish'" in ended.stderr
