"""A file system that shares blocks between files: XFS in a file, mounted by root."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def unavailable() -> str | None:
    """Why there cannot be one here."""
    if os.geteuid() != 0:
        return "only root can mount a file system"
    if shutil.which("mkfs.xfs") is None:
        return "mkfs.xfs is not installed (Debian: xfsprogs)"
    return None


@contextlib.contextmanager
def reflinking(directory: Path, *, megabytes: int) -> Iterator[Path]:
    """The mounted file system at ``directory``, empty. Skips the test, saying why, where it cannot be had."""
    reason = unavailable()
    if reason:
        pytest.skip(f"no file system with shared blocks: {reason}")
    image = directory.with_name(f"{directory.name}.image")
    with image.open("wb") as stream:
        stream.truncate(megabytes * 1024 * 1024)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", str(image)], check=True)
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-o", "loop,discard", str(image), str(directory)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system with shared blocks: {mounted.stderr.decode().strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)
        directory.rmdir()
        image.unlink()
