"""Where a server keeps what it writes."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from thplugins_dbmigration.engines.error_log import ErrorLog


@frozen
class Storage:
    """The directories of a private server. ``data`` holds tables and logs, with all that is below it; ``temporary`` are
    those of sorts and temporary tables, in ``data`` or elsewhere, none where they cannot be told.

    Servers take the name off a temporary file as soon as it is open. ``process`` is the id of the process that holds
    those below ``temporary``, None where such files do not occur. ``log`` is where it tells what the system refuses it,
    None where there is nobody who would.
    """

    data: Path
    temporary: tuple[Path, ...] = ()
    process: int | None = None
    log: ErrorLog | None = None
