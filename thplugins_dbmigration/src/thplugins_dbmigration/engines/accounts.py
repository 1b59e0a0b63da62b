"""Which operating system account a private server runs as, and calling programs as that account.

A database server must not run as root. A worker that does runs its servers as an unprivileged account; where that
account cannot reach the worker's directories, in a user namespace in which the worker's account is not root.
"""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import Command, Seconds
from thplugins_dbmigration.engines.engine import Installation

NOBODY = 65534
"""The user and group id inside a namespace when there is no better one."""


@frozen
class Identity:
    """Who runs a server: an account, or the worker's own one, bare or in a namespace where it is not root."""

    account: str | None = None
    namespace: bool = False


def identity(build: Build, program: Path, preferred: Sequence[str]) -> Identity:
    """Choose who runs ``program`` and its data below the build's directories.

    The setting ``account`` counts before ``preferred``, a list of account names of which the first that exists is
    taken. Raises InfrastructureError (``server-not-started``) when nobody but root can reach the directories.
    """
    if os.geteuid() != 0:
        return Identity()
    account = _account(build.settings, preferred)
    closed = [path for path in (build.state, build.workspace.temporary) if not _works(build, _enter(path), account)]
    if not closed and _works(build, (str(program), "--version"), account):
        return Identity(account=account)
    if _works(build, (*_namespace(account), str(program), "--version"), None):
        return Identity(account=account, namespace=True)
    where = closed[0] if closed else program.parent
    raise InfrastructureError(
        f"the account {account} cannot enter {where}, and this machine allows no user namespaces; let it enter every "
        "directory on that path (chmod o+x), or move the state directory to a place that it can enter",
        code="server-not-started",
    )


def acting(installation: Installation, command: Command) -> Command:
    """The same call, made by the account that the installation's server runs as."""
    if installation.namespace:
        return evolve(command, argv=(*_namespace(installation.account), *command.argv))
    return evolve(command, user=installation.account)


def private_directory(installation: Installation, path: Path) -> None:
    """Make a directory that only the server's account may enter (and root). It must not exist."""
    path.mkdir(mode=0o700)
    give(installation, path)


def give(installation: Installation, path: Path) -> None:
    """Make a file or directory of ours belong to the server's account."""
    if installation.account is not None and not installation.namespace:
        entry = pwd.getpwnam(installation.account)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _account(settings: Any, preferred: Sequence[str]) -> str:
    wanted = getattr(settings, "account", None)
    for name in (wanted,) if wanted else (*preferred, "nobody"):
        try:
            if pwd.getpwnam(name).pw_uid != 0:
                return str(name)
        except KeyError:
            continue
    names = wanted or ", ".join(preferred)
    raise InfrastructureError(
        f"a database server must not run as root, and there is no unprivileged account {names}; create it, or name "
        "another one with the setting `account`",
        code="server-not-started",
    )


def _enter(path: Path) -> tuple[str, ...]:
    return (shutil.which("test") or "/usr/bin/test", "-x", str(path))


def _works(build: Build, argv: tuple[str, ...], account: str | None) -> bool:
    command = Command(argv, cwd=Path("/"), source="server", timeout_s=Seconds(30.0), user=account)
    try:
        return build.run(command).ok
    except InfrastructureError:  # the program cannot be started by this account
        return False


def _namespace(account: str | None) -> tuple[str, ...]:
    try:
        entry = pwd.getpwnam(account or "nobody")
        user, group = entry.pw_uid, entry.pw_gid
    except KeyError:
        user = group = NOBODY
    return ("unshare", "--user", f"--map-user={user}", f"--map-group={group}", "--")
