"""Loading a seed with psql, kept to SQL: it must not start programs or read files with psql's own commands."""

from __future__ import annotations

import contextlib
import re
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import Command
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.accounts import acting
from thplugins_dbmigration.engines.engine import Installation
from thplugins_dbmigration.engines.programs import ENVIRONMENT, version_of

_FIRST = {13: 22, 14: 19, 15: 14, 16: 10, 17: 6}
"""The first minor version of each major one whose psql knows ``\\restrict``; from 18 on all do."""
_OWN = re.compile(rb"\\(?:un)?restrict [A-Za-z0-9]+\r?\n")


def load(build: Build, installation: Installation, client: Path, address: Address, seed: Path) -> None:
    """Run a seed with psql (``client``), as the database's owner. Raises InfrastructureError (``seed-not-loaded``)."""
    with restricted_seed(build, seed) as script:
        # A dump selects the new value of each sequence; that is not worth reading, and rows do not belong in a log.
        argv = [str(client), "-X", "-q", "-w", "-o", "/dev/null", "-h", str(address.socket), "-U", address.user]
        argv += ["-d", address.database, "-v", "ON_ERROR_STOP=1"]
        if understands_restrict(version_of(build, client, r"\(PostgreSQL\) (\S+)")):
            # From here on the seed can only give SQL: psql's own commands start programs and read files.
            argv += ["-c", f"\\restrict {secrets.token_hex(16)}"]
        argv += ["-f", "-"]
        env = {**ENVIRONMENT, "PGPASSWORD": address.password.reveal(), "HOME": "/nonexistent"}
        command = Command(tuple(argv), cwd=Path("/"), env=env, source="seed", input=script)
        result = build.run(acting(installation, command))
    if not result.ok:
        errors = (number for number, line in enumerate(result.tail) if _is_error(line))
        first = next(errors, max(0, len(result.tail) - 5))
        words = "\n".join(line[:500] for line in result.tail[first : first + 4])
        raise InfrastructureError(f"{seed.name} cannot be loaded: {words or result.reason()}", code="seed-not-loaded")


def _is_error(line: str) -> bool:
    return "ERROR:" in line or "FATAL:" in line or "error:" in line


def understands_restrict(version: str) -> bool:
    """Whether psql of this version can be kept to SQL."""
    match = re.match(r"(\d+)(?:\.(\d+))?", version)
    if match is None:
        return False
    major, minor = int(match[1]), int(match[2] or 0)
    return major >= 18 or minor >= _FIRST.get(major, 1_000)


@contextlib.contextmanager
def restricted_seed(build: Build, seed: Path) -> Iterator[Path]:
    """The seed without the ``\\restrict`` lines that dumps of today have: they do not nest. Line numbers stay."""
    if not _has_own(build, seed):
        yield seed
        return
    with tempfile.NamedTemporaryFile(dir=build.workspace.temporary, prefix="seed-", suffix=".sql") as copy:
        try:
            with seed.open("rb") as source:
                for number, line in enumerate(source):
                    if number % 10_000 == 0:
                        build.check()
                    copy.write(b"\n" if _OWN.fullmatch(line) else line)
            copy.flush()
        except OSError as error:
            raise InfrastructureError(
                f"cannot prepare {seed.name}: {error.strerror}", code="seed-not-loaded"
            ) from error
        yield Path(copy.name)


def _has_own(build: Build, seed: Path) -> bool:
    with seed.open("rb") as source:
        for number, line in enumerate(source):
            if number % 10_000 == 0:
                build.check()
            if line.startswith((b"\\restrict ", b"\\unrestrict ")):
                return True
    return False
