"""Takes migrations back: ``yoyo rollback --batch``, with the database's URL put in.

Its task has ``arguments``, what is said to yoyo besides, and ``migrations``, what to take back, one after the other.
"""

import sys
from typing import Any, Dict, Optional

from thcore_program import run


def rollback(task: Dict[str, Any], url: str) -> Optional[int]:
    from yoyo.scripts.main import main

    status: Optional[int] = None
    for migration in task["migrations"]:
        status = main(["rollback", "--batch", "--revision", migration, "--database", url, *task["arguments"]])
        if status:
            break
    return status


if __name__ == "__main__":
    sys.exit(run(rollback))
