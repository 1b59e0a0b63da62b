from __future__ import annotations

pytest_plugins = ["thcore.testing.plugin"]
