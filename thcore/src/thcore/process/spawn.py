"""Starting a program, and saying in words why it could not be started."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from thcore.errors import InfrastructureError
from thcore.model import Command
from thcore.process import kin


def spawn(
    command: Command,
    *,
    stdout: int | None,
    stderr: int | None,
    env: Mapping[str, str] | None = None,
    pass_fds: tuple[int, ...] = (),
    attached: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a program in a process group of its own, its output going to the given descriptors.

    With ``attached`` it is in our group and has our standard input, so that a terminal is its own as well; a descriptor
    None is ours. ``env`` replaces the command's. Whoever waits for the program calls ``ended`` at last. Raises
    InfrastructureError with code ``program-missing`` or ``program-not-started``.
    """
    with ExitStack() as opened:
        try:
            stdin = None if attached else subprocess.DEVNULL
            if command.input is not None:
                stdin = opened.enter_context(command.input.open("rb")).fileno()
            if command.stdout_to is not None:
                stdout = opened.enter_context(command.stdout_to.open("wb")).fileno()
            with kin.starting:
                process = subprocess.Popen(
                    list(command.argv),
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                    env=dict(command.env if env is None else env),
                    cwd=command.cwd,
                    pass_fds=pass_fds,
                    process_group=None if attached else 0,
                    **_account(command),
                )
                kin.spawned.add(process.pid)
        except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
            raise _not_started(command, error) from error
    return process


def ended(process: subprocess.Popen[bytes]) -> bool:
    """Reap a program started here that has ended. False: it has not, however hard it was told to."""
    with kin.starting:
        if process.poll() is None:
            return False
        kin.spawned.discard(process.pid)
    return True


def _account(command: Command) -> dict[str, Any]:
    if command.user is None:
        return {}
    try:
        account = pwd.getpwnam(command.user)
    except KeyError:
        raise ValueError(f"there is no account {command.user!r} on this machine") from None
    if os.geteuid() != 0:
        raise ValueError(f"running as {command.user!r} needs root")
    groups = os.getgrouplist(account.pw_name, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": groups}


def _not_started(command: Command, error: Exception) -> InfrastructureError:
    program = command.argv[0] if command.argv else ""
    where = f" (working directory {command.cwd})" if command.cwd else ""
    code = "program-not-started"
    if not program:
        why = "the command is empty"
    elif isinstance(error, OSError):
        why = error.strerror or str(error)
        if error.filename is not None and os.fspath(error.filename) != program:
            why = f"{os.fspath(error.filename)}: {why}"
        elif isinstance(error, FileNotFoundError) and not _exists(command, program):
            code = "program-missing"
            why = "no such file" if "/" in program else f"not found on PATH {command.env.get('PATH', os.defpath)!r}"
        elif isinstance(error, FileNotFoundError):
            why = "the interpreter that its first line names is missing"
    else:
        why = str(error)
    return InfrastructureError(f"{program!r} cannot be started{where}: {why}", code=code)


def _exists(command: Command, program: str) -> bool:
    return "/" in program and os.path.lexists(os.path.join(command.cwd or "", program))  # noqa: PTH118 argv is text
