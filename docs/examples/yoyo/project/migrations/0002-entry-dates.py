"""Entries have a date."""

from __future__ import annotations

from yoyo import step

__depends__ = {"0001-guests"}

steps = [
    step(
        "ALTER TABLE entries ADD COLUMN written VARCHAR(10)",
        "ALTER TABLE entries DROP COLUMN written",
    ),
    step("UPDATE entries SET written = '2020-01-01'"),
]
