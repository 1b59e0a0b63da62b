"""Takes revisions back: ``alembic downgrade``, with the database's URL put in.

Its task is as for ``alembic_upgrade``; ``targets`` are what to downgrade to, one after the other.
"""

import sys
from typing import Any, Dict

from alembic_upgrade import configuration
from thcore_program import run


def downgrade(task: Dict[str, Any], url: str) -> None:
    from alembic import command

    config = configuration(task, task["sections"][0], url)
    for target in task["targets"]:
        command.downgrade(config, target)


if __name__ == "__main__":
    sys.exit(run(downgrade))
