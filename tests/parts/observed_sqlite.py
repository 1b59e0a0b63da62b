"""Programs that do something in SQLite under the observer, as a migration of a project does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

from thplugins_dbmigration.engines.sqlite_observed import Observed, observed
from thplugins_dbmigration.tools.observed import OBSERVER

PROGRAM = """\
import os, sqlite3, sys

from thcore_observer.sqlite_trace import ledger

connection = sqlite3.connect(sys.argv[1])
cursor = connection.cursor()
ledger.chain("sqlite", sys.argv[1])
ledger.begin()
try:
{}
except BaseException:
    ledger.end(failed=True)
    raise
ledger.end(failed=False)
"""


def observe(database: Path, step: str, python: str = sys.executable) -> Observed | None:
    """Run a ``step``, Python code with a ``connection`` and a ``cursor``, and answer what is told of it."""
    gate, program = socket.socketpair()
    gate.close()  # nobody answers: the program says nothing, or dies of it
    with program:
        environment = {**os.environ, "PYTHONPATH": str(OBSERVER), "THCORE_CHANNEL": str(program.fileno())}
        code = PROGRAM.format(textwrap.indent(textwrap.dedent(step), "    "))
        argv = [python, "-W", "error", "-c", code, str(database)]
        subprocess.run(argv, env=environment, pass_fds=[program.fileno()], timeout=60, check=False)
    return observed(database)
