"""The contract with plugins: what to implement, and what a stage is given."""

from __future__ import annotations

from thcore.hooks.build import Build, Converse, Service, Workspace
from thcore.hooks.markers import PROJECT, hookimpl, hookspec
from thcore.hooks.option import option
from thcore.hooks.placement import scatter
from thcore.hooks.premises import Premises, json_option, with_premises

__all__ = [
    "PROJECT",
    "Build",
    "Converse",
    "Premises",
    "Service",
    "Workspace",
    "hookimpl",
    "hookspec",
    "json_option",
    "option",
    "scatter",
    "with_premises",
]
