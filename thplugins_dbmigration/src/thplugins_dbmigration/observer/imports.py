"""Watches what the project imports, and imports nothing by itself."""

import sys
import traceback
from typing import Any, Callable

WATCHED = {
    "alembic.script.base": "alembic_steps",
    "django.db.migrations.executor": "django_steps",
    "migrate.versioning.schema": "sqlalchemy_migrate_steps",
    "sqlite3": "sqlite_trace",
    "subprocess": "subprocess_channel",
    "yoyo.backends": "yoyo_steps",
}
"""The module whose import, when it is done, brings in which module of the observer."""


def watch(install: Callable[[str], object]) -> None:
    """From now on call ``install`` with the observer's module whenever a watched one has been imported."""
    finder = Finder(install)
    sys.meta_path.insert(0, finder)
    for name in WATCHED:
        if name in sys.modules:  # a .pth file may be first
            finder.imported(name)


class Finder:
    """Finds watched modules as the others would, and has a word with their loader."""

    def __init__(self, install: Callable[[str], object]) -> None:
        self.install = install

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name not in WATCHED:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None and finder is not self else None
            if spec is not None:
                self.listen(spec)
                return spec
        return None

    def listen(self, spec: Any) -> None:
        execute = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            execute(module)
            self.imported(spec.name)

        spec.loader.exec_module = exec_module

    def imported(self, name: str) -> None:
        try:
            self.install(WATCHED[name])
        except Exception:  # the project goes on, unobserved; the gate finds no migration and says so
            sys.stderr.write("thcore: {} cannot be observed:\n".format(name))
            traceback.print_exc()
