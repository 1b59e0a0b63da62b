"""The names of a step under which limits are written: its way, or where it leads."""

from __future__ import annotations

from thcore.model import Step


def names(step: Step) -> tuple[str, ...]:
    """From the most exact to the least: ``a+b->c``, ``a->c``, ``b->c``, ``c``."""
    parents = sorted(step.parents) or ["base"]
    found = ("+".join(parents), *(step.parents or ("base",)))
    return (*dict.fromkeys(f"{parent}->{step.version}" for parent in found), step.version)
