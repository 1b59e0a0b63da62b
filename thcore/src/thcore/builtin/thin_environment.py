"""A virtual environment of one build that sees the packages of a base and runs its programs."""

from __future__ import annotations

from pathlib import Path

from thcore.builtin.wheel_record import site_packages


def attach(base: Path, venv: Path) -> None:
    """Have the virtual environment find what is in the base, beneath what is in itself."""
    # addsitedir, not the bare path: .pth files of the base count as well.
    line = f"import site; site.addsitedir({str(site_packages(base))!r})\n"
    (site_packages(venv) / "_thcore_base.pth").write_text(line, "utf-8")
    _lend_scripts(base, venv)


def _lend_scripts(base: Path, venv: Path) -> None:
    """Give a virtual environment the console scripts of its base, run by its own interpreter.

    Without that, ``alembic`` would run in the base environment, where the project cannot be imported.
    """
    old, new = str(base / "bin" / "python").encode(), str(venv / "bin" / "python").encode()
    for script in (base / "bin").iterdir():
        target = venv / "bin" / script.name
        if script.is_symlink() or not script.is_file() or target.exists():
            continue
        text = script.read_bytes()
        head, newline, rest = text.partition(b"\n")
        # uv writes a line of shell instead where the interpreter's path is too long for the kernel.
        if head.startswith(b"#!/bin/sh"):
            second, newline_2, rest_2 = rest.partition(b"\n")
            head, rest = head + newline + second, rest_2
            newline = newline_2
        if head.startswith(b"#!") and old in head:
            target.write_bytes(head.replace(old, new) + newline + rest)
            target.chmod(0o755)
