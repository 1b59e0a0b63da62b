"""thcore plugin: checks a change out of an archive that git archive has made."""

from __future__ import annotations
