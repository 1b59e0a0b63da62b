"""Takes changes back: a downgrade to a version of a repository.

Its task has ``repository``, the path of the directory with migrate.cfg, and ``version``.
"""

import logging
import sys
from typing import Any, Dict

from thcore_program import run


def downgrade(task: Dict[str, Any], url: str) -> None:
    from migrate.versioning import api

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    api.downgrade(url, task["repository"], task["version"])


if __name__ == "__main__":
    sys.exit(run(downgrade))
