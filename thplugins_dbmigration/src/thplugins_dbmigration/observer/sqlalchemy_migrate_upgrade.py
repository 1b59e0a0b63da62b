"""The command of a project that names none of its own: an upgrade to the newest version of a repository.

Its task has ``repository``, the path of the directory with migrate.cfg. sqlalchemy-migrate's own command does not start
under Python 3.11 and later, what it calls does.
"""

import logging
import sys
from typing import Any, Dict

from thcore_program import run


def upgrade(task: Dict[str, Any], url: str) -> None:
    from migrate.exceptions import DatabaseNotControlledError
    from migrate.versioning import api

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        api.db_version(url, task["repository"])
    except DatabaseNotControlledError:  # a database that no migration has seen yet
        api.version_control(url, task["repository"])
    api.upgrade(url, task["repository"])


if __name__ == "__main__":
    sys.exit(run(upgrade))
