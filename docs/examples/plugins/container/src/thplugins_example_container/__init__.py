"""thcore plugin: runs the programs of a project in a container."""

from __future__ import annotations
