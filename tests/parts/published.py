"""The site of a build in a directory, as a publisher leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from thcore.model import Outcome
from thcore.pages import site

from parts import outcomes


def published(place: Path, of: Outcome, files: Mapping[str, str] | None = None) -> Path:
    """Write a build's log and ``files`` as its evidence below ``place``, put up the site, and answer its first page."""
    evidence = place / "evidence"
    evidence.mkdir(parents=True)
    outcomes.write_log(evidence / "console.log", of)
    for name, text in (files or {}).items():
        (evidence / name).parent.mkdir(parents=True, exist_ok=True)
        (evidence / name).write_text(text, "utf-8")
    with site.assembled(evidence, of) as made:
        for file in made.files:
            target = place / "site" / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            with made.open(file) as stream:
                target.write_bytes(stream.read())
    return place / "site" / "index.html"
