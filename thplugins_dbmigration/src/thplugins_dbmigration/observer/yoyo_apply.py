"""The command of a project that names none of its own: ``yoyo apply --batch``, with the database's URL put in.

Its task has ``arguments``, what is said to yoyo besides.
"""

import sys
from typing import Any, Dict, Optional

from thcore_program import run


def apply(task: Dict[str, Any], url: str) -> Optional[int]:
    from yoyo.scripts.main import main

    status: Optional[int] = main(["apply", "--batch", "--database", url, *task["arguments"]])
    return status


if __name__ == "__main__":
    sys.exit(run(apply))
