"""Two groups of commands whose names are easily mistaken for each other."""

from __future__ import annotations

import importlib
from typing import Any

import click


class Twin(click.Group):
    """It knows the commands of the other group as well, and lists its own only. ``twin`` is the other one:
    ``module:name``."""

    def __init__(self, *arguments: Any, twin: str, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._twin = twin

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        module, name = self._twin.split(":")
        other: click.Group = getattr(importlib.import_module(module), name)
        return other.commands.get(cmd_name)
