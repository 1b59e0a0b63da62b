"""thcore: a worker and plugin framework for CI builds that Zuul hands out over Gearman."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
"""The version of thcore."""
