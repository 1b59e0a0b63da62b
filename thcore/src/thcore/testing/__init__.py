"""What plugin authors test with: a real build to call a hook with, and one contract suite per stage."""

from __future__ import annotations

from thcore.testing.build import make_build, run_job

__all__ = ["make_build", "run_job"]
