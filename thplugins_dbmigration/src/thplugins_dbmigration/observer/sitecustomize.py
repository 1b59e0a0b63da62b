"""Run by a Python that starts in a project's command: makes it tell its migration steps to the gate.

Each Python that the command starts runs this, wrappers as well; the one whose migrations show themselves takes the
channel.
"""

import importlib
import os
import stat
import sys
from types import ModuleType

HERE = os.path.dirname(os.path.abspath(__file__))


PACKAGE = "thcore_observer"
"""What this directory is to the project's interpreter; no project has a package of that name."""


def load(name: str) -> ModuleType:
    """A module of this directory."""
    if PACKAGE not in sys.modules:
        sys.modules[PACKAGE] = package = ModuleType(PACKAGE)
        setattr(package, "__path__", [HERE])
    return importlib.import_module(PACKAGE + "." + name)


def observe(number: int) -> None:
    """Watch what this interpreter imports, and tell over the descriptor ``number``."""
    channel = load("channel").Channel(number)
    load("imports").watch(lambda name: load(name).install(channel))
    sys.excepthook = channel.telling(sys.excepthook)


def is_open(number: int) -> bool:
    """Whether the channel has come this far: a program may start others without it."""
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False


def go_on() -> None:
    """Run the sitecustomize that this one stands in front of. This directory is no part of the project's path."""
    sys.path[:] = [place for place in sys.path if os.path.abspath(place) != HERE]
    this = sys.modules.pop("sitecustomize")
    try:
        importlib.import_module("sitecustomize")
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        sys.modules.setdefault("sitecustomize", this)


try:
    descriptor = int(os.environ.get("THCORE_CHANNEL", ""))
except ValueError:
    descriptor = -1
if is_open(descriptor):
    observe(descriptor)
go_on()
