"""One module per revision. They spell out their types: a migration stays as it was."""

from __future__ import annotations
