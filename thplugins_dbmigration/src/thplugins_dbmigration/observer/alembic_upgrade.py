"""The command of a project that names none of its own: ``alembic upgrade``, with the database's URL put in.

Its task has ``config`` (path or null), ``sections`` of it, ``script_location`` (or null), ``url_option``, ``x``
(arguments of ``alembic -x``) and ``target``.
"""

import argparse
import inspect
import os
import sys
from typing import Any, Dict

from thcore_program import run


def upgrade(task: Dict[str, Any], url: str) -> None:
    from alembic import command

    for section in task["sections"]:
        command.upgrade(configuration(task, section, url), task["target"])


def configuration(task: Dict[str, Any], section: str, url: str) -> Any:
    """Alembic's Config, as its own command would make it, with the database's URL put in."""
    from alembic.config import Config

    options = argparse.Namespace(x=task["x"] or None, config=task["config"], name=section, raiseerr=True)
    more: Dict[str, Any] = {}
    if "toml_file" in inspect.signature(Config.__init__).parameters and os.path.exists("pyproject.toml"):
        more["toml_file"] = "pyproject.toml"
    config = Config(task["config"], ini_section=section, cmd_opts=options, **more)
    if task["script_location"]:
        config.set_main_option("script_location", task["script_location"])
    if task["url_option"]:
        config.set_main_option(task["url_option"], url.replace("%", "%%"))
    return config


if __name__ == "__main__":
    sys.exit(run(upgrade))
