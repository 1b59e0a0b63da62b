"""Small Django projects, written to disk."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from thcore.model import Checkout, Environment, Provision

MANAGE = """\
import os
import sys

from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
execute_from_command_line(sys.argv)
"""

SETTINGS = """\
import os

try:
    import pymysql
except ImportError:
    pass
else:
    pymysql.version_info = (2, 2, 7, "final", 0)  # as the driver that Django knows
    pymysql.install_as_MySQLdb()

SECRET_KEY = "only-for-tests"
INSTALLED_APPS = {apps}
DATABASES = {{
    "default": {{
        "ENGINE": "django.db.backends." + os.environ["DB_ENGINE"].replace("sqlite", "sqlite3"),
        "NAME": os.environ["DB_NAME"],
        "USER": os.environ["DB_USER"],
        "PASSWORD": os.environ["DB_PASSWORD"],
        "HOST": os.environ["DB_HOST"],
    }},
    "other": {{"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DB_NAME"] + ".other"}},
}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
"""

VARIABLES = {
    "DB_ENGINE": "{dialect}",
    "DB_NAME": "{database}",
    "DB_USER": "{user}",
    "DB_PASSWORD": "{password}",
    "DB_HOST": "{socket}",
}
"""Templates of what the settings look for."""


class DjangoProject:
    """A checkout with a Django project and its apps. Migrations are added by hand."""

    def __init__(self, path: Path, *apps: str) -> None:
        self.path = path
        path.mkdir(parents=True)
        (path / "manage.py").write_text(MANAGE)
        (path / "settings.py").write_text(SETTINGS.format(apps=repr(list(apps))))
        for app in apps:
            if "." not in app:
                (path / app / "migrations").mkdir(parents=True)
                (path / app / "__init__.py").touch()
                (path / app / "migrations" / "__init__.py").touch()
                self.models(app, "")

    def models(self, app: str, text: str) -> DjangoProject:
        """Replace the models of an app. An app without any is sent no signals."""
        (self.path / app / "models.py").write_text("from django.db import models\n" + textwrap.dedent(text))
        return self

    def file(self, version: str) -> Path:
        """The file of a migration."""
        app, name = version.split(".")
        return self.path / app / "migrations" / f"{name}.py"

    def migration(
        self, version: str, needs: Sequence[str] = (), *operations: str, top: str = "", more: str = ""
    ) -> DjangoProject:
        """Add a migration, with ``operations`` one a line, Python before its class and in it."""
        needed = [tuple(need.split(".")) for need in needs]
        lines = [f"    dependencies = {needed!r}", *textwrap.indent(more, "    ").splitlines(), "    operations = ["]
        lines += [f"        {operation}," for operation in operations]
        head = f"from django.db import migrations, models\n\n{textwrap.dedent(top)}\n"
        self.file(version).write_text(head + "\n".join(["class Migration(migrations.Migration):", *lines, "    ]\n"]))
        return self

    def provision(self) -> Provision:
        """The project, with the interpreter of the tests as its environment."""
        return Provision(Checkout(self.path, "0" * 40), Environment(python=Path(sys.executable)))
