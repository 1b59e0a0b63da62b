"""Python environments of other projects, made with uv from the package index."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from thcore.model import Environment


def interpreter(place: Path, *packages: str, until: str | None = None) -> Environment:
    """An environment at ``place`` with ``packages``, none newer than the date ``until``. What this workspace wants of
    its own packages does not count."""
    from uv import find_uv_bin

    subprocess.run([find_uv_bin(), "venv", "--quiet", "--python", sys.executable, str(place)], check=True)
    python = place / "bin" / "python"
    newest = ["--exclude-newer", until] if until else []
    install = [find_uv_bin(), "pip", "install", "--quiet", "--python", str(python), *newest, *packages]
    subprocess.run(install, check=True, timeout=240, cwd=place)
    return Environment(path=(place / "bin",), python=python)
