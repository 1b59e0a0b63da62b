"""The contract with plugins: what to implement, and what a stage is given."""

from __future__ import annotations

from thcore.hooks.build import Build, Converse, Service, Workspace
from thcore.hooks.markers import PROJECT, hookimpl, hookspec
from thcore.hooks.option import option

__all__ = ["PROJECT", "Build", "Converse", "Service", "Workspace", "hookimpl", "hookspec", "option"]
