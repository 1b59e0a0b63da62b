"""A process that makes environments as a build does, to be killed meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from thcore.builtin import seal
from thcore.builtin.venv import VenvOptions, VenvSettings, plugin
from thcore.model import Checkout, Command
from thcore.testing import make_build

from parts.package import wheel

VERSIONS = 6
SETTINGS = VenvSettings(keep=3)


def wheels(directory: Path) -> VenvOptions:
    """Options with which each version of the package ``needed`` can be had from the directory."""
    for number in range(VERSIONS):
        wheel(
            directory,
            "needed",
            f"{number}.0",
            text=f"VALUE = {number}\n" + "# more\n" * 1000,
            scripts={"n": "needed:n"},
        )
    return VenvOptions(find_links=(str(directory),), offline=True)


def use(directory: Path, state: Path, options: VenvOptions, build_id: str, number: int) -> tuple[str, str]:
    """Make an environment with a version of ``needed`` and ask there for its number; answers that, and the log."""
    with make_build(directory, build_id=build_id, settings=SETTINGS, state=state, timeout_s=120) as build:
        build.workspace.source.mkdir(parents=True, exist_ok=True)
        (build.workspace.source / "requirements.txt").write_text(f"needed=={number}.0\n")
        environment = plugin.thcore_environment(build, options, Checkout(build.workspace.source, "1" * 40))
        ask = Command(("python", "-c", "import needed; print(needed.VALUE)"), capture=True)
        said = build.run(ask, environment=environment).stdout.decode().strip()
        return said, build.workspace.log.read_text()


def alone(directory: Path, state: Path, options: VenvOptions, build_id: str, number: int) -> None:
    """The same in a process group of its own, where what it starts is, too."""
    os.setpgid(0, 0)
    use(directory, state, options, build_id, number)


def damaged(environments: Path) -> list[Path]:
    """Environments that say that they are complete and are not."""
    found = []
    for ok in environments.glob("*/OK"):
        with contextlib.suppress(FileNotFoundError):
            said = json.loads((ok.parent / "contents.json").read_text())
            if seal.contents(ok.parent / "venv") != said and ok.exists():
                found.append(ok.parent)
    return found
