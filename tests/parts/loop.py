"""File systems in a file, mounted by root: one that shares blocks between files, and one that is soon full."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def unavailable(kind: str = "xfs", package: str = "xfsprogs") -> str | None:
    """Why there cannot be one of a kind here."""
    if os.geteuid() != 0:
        return "only root can mount a file system"
    if shutil.which(f"mkfs.{kind}") is None:
        return f"mkfs.{kind} is not installed (Debian: {package})"
    return None


@contextlib.contextmanager
def reflinking(directory: Path, *, megabytes: int) -> Iterator[Path]:
    """The mounted file system at ``directory``, empty. Skips the test, saying why, where it cannot be had."""
    reason = unavailable()
    if reason:
        pytest.skip(f"no file system with shared blocks: {reason}")
    with _mounted(directory, megabytes, "mkfs.xfs", "-q", "-m", "reflink=1"):
        yield directory


@contextlib.contextmanager
def small(directory: Path, *, megabytes: int) -> Iterator[Path]:
    """An empty file system of so many megabytes at ``directory``, all of them for everybody: ext4. Skips the test,
    saying why, where it cannot be had."""
    reason = unavailable("ext4", "e2fsprogs")
    if reason:
        pytest.skip(f"no small file system: {reason}")
    with _mounted(directory, megabytes, "mkfs.ext4", "-q", "-m", "0"):
        directory.chmod(0o755)
        yield directory


@contextlib.contextmanager
def _mounted(directory: Path, megabytes: int, *make: str) -> Iterator[None]:
    image = directory.with_name(f"{directory.name}.image")
    with image.open("wb") as stream:
        stream.truncate(megabytes * 1024 * 1024)
    subprocess.run([*make, str(image)], check=True)
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-o", "loop,discard", str(image), str(directory)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system in a file: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)
        directory.rmdir()
        image.unlink()
