"""What holds for all tests."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

PASS = stat.S_IXGRP | stat.S_IXOTH


@pytest.fixture(scope="session", autouse=True)
def passable(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let other accounts pass through the temporary directories, which pytest closes to them.

    Tests that run as root have their database servers run as an account of their own, as a worker that is root does.
    """
    if os.geteuid() != 0:
        return
    make: Any = tmp_path_factory.mktemp

    def mktemp(basename: str, numbered: bool = True) -> Path:
        return opened(make(basename, numbered))

    opened(tmp_path_factory.getbasetemp())
    opened(tmp_path_factory.getbasetemp().parent)
    tmp_path_factory.mktemp = mktemp  # type: ignore[method-assign]  # also what tmp_path is made with


def opened(path: Path) -> Path:
    path.chmod(stat.S_IMODE(path.stat().st_mode) | PASS)
    return path
