"""The command of a project that names none of its own: ``alembic upgrade``, with the database's URL put in.

The task comes in ``THCORE_TASK``, a JSON object: ``config`` (path or null), ``sections`` of it, ``script_location`` (or
null), ``url_option``, ``urls`` (a list of module, URL; the first whose module is installed is taken), ``x`` (arguments
of ``alembic -x``), ``target``.
"""

import argparse
import importlib.util
import inspect
import json
import os
import sys
from typing import Any, Dict, List


class NoDriverError(Exception):
    """None of the database drivers is installed where the project is."""


def main() -> int:
    task = json.loads(os.environ.pop("THCORE_TASK"))
    # The directory of this file is no part of the project. The working directory comes last, so that a directory
    # called alembic in it hides nothing.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [*(place for place in sys.path if os.path.abspath(place) != here), os.getcwd()]
    try:
        for section in task["sections"]:
            upgrade(task, section)
    except BaseException:  # a script may raise anything, SystemExit as well, which must not pass for an end
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def upgrade(task: Dict[str, Any], section: str) -> None:
    from alembic import command

    command.upgrade(configuration(task, section), task["target"])


def configuration(task: Dict[str, Any], section: str) -> Any:
    """Alembic's Config, as its own command would make it, with the database's URL put in."""
    from alembic.config import Config

    options = argparse.Namespace(x=task["x"] or None, config=task["config"], name=section, raiseerr=True)
    more: Dict[str, Any] = {}
    if "toml_file" in inspect.signature(Config.__init__).parameters and os.path.exists("pyproject.toml"):
        more["toml_file"] = "pyproject.toml"
    config = Config(task["config"], ini_section=section, cmd_opts=options, **more)
    if task["script_location"]:
        config.set_main_option("script_location", task["script_location"])
    url = database_url(task["urls"])
    if task["url_option"]:
        config.set_main_option(task["url_option"], url.replace("%", "%%"))
    os.environ["THCORE_DATABASE_URL"] = url
    os.environ.setdefault("DATABASE_URL", url)
    return config


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


if __name__ == "__main__":
    sys.exit(main())
