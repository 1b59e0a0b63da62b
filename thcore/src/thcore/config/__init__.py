"""The configuration file: its classes, the strict converter, loading, and turbo-hipster's format."""

from __future__ import annotations

from thcore.config.convert import structure, unstructure
from thcore.config.json_schema import PluginClasses, json_schema
from thcore.config.load import TURBO_HIPSTERS, find, load
from thcore.config.options import changed_options, job_options, plugin_settings, shown, written_option
from thcore.config.schema import (
    Config,
    DefaultsConfig,
    DirectoriesConfig,
    GearmanConfig,
    HistoryConfig,
    JobConfig,
    LogConfig,
    TlsConfig,
    WebConfig,
)

__all__ = [
    "TURBO_HIPSTERS",
    "Config",
    "DefaultsConfig",
    "DirectoriesConfig",
    "GearmanConfig",
    "HistoryConfig",
    "JobConfig",
    "LogConfig",
    "PluginClasses",
    "TlsConfig",
    "WebConfig",
    "changed_options",
    "find",
    "job_options",
    "json_schema",
    "load",
    "plugin_settings",
    "shown",
    "structure",
    "unstructure",
    "written_option",
]
