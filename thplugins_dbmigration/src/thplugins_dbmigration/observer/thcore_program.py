"""What the programs have in common that stand in for a project's own command.

Its name is one that no project has: it is imported by the project's interpreter like any other module.
"""

import importlib.util
import json
import os
import sys
from typing import Any, Callable, Dict, List, Optional


class NoDriverError(Exception):
    """None of the database drivers is installed where the project is."""


def run(work: Callable[[Dict[str, Any], str], Optional[int]]) -> int:
    """Call ``work`` with the task and the database's URL; answers the exit status.

    The task comes in ``THCORE_TASK``, a JSON object. Its ``urls`` are pairs of a module and a URL; the first whose
    module is installed is taken. The project finds it in its environment as well.
    """
    task = json.loads(os.environ.pop("THCORE_TASK"))
    # The directory of this file is no part of the project. The working directory comes last, so that a directory in it
    # that is called as an installed package hides nothing.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [*(place for place in sys.path if os.path.abspath(place) != here), os.getcwd()]
    try:
        url = database_url(task["urls"])
        os.environ["THCORE_DATABASE_URL"] = url
        os.environ.setdefault("DATABASE_URL", url)
        return work(task, url) or 0
    except BaseException:  # a script may raise anything, SystemExit as well, which must not pass for an end
        sys.excepthook(*sys.exc_info())
        return 1


def database_url(urls: List[List[str]]) -> str:
    """The URL of the first driver that is installed."""
    for module, url in urls:
        if not module or is_installed(module):
            return url
    raise NoDriverError(", ".join(module for module, _ in urls))


def is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:  # the package that the module is in is missing
        return False
