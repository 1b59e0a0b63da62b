"""A result in the forms that other programs and people read. Pure functions of an outcome."""

from __future__ import annotations
