"""What every plugin of a stage has to do, as pytest classes that the plugin's own tests inherit.

They check what ``thcore.hooks.specs`` promises and what the core relies on, with real builds. Needs pytest, which is no
dependency of thcore: nothing else imports this package.
"""

from __future__ import annotations

import pytest

_MODULES = ("analyser", "checkout", "environment", "executor", "plugin", "publisher")
# Before they are imported: without it their assertions say nothing but that they failed.
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _MODULES))

from thcore.testing.contract.analyser import AnalyserContract  # noqa: E402 - see above
from thcore.testing.contract.checkout import CheckoutContract  # noqa: E402 - see above
from thcore.testing.contract.environment import EnvironmentContract  # noqa: E402 - see above
from thcore.testing.contract.executor import ExecutorContract, Work  # noqa: E402 - see above
from thcore.testing.contract.plugin import PluginContract  # noqa: E402 - see above
from thcore.testing.contract.publisher import PublisherContract  # noqa: E402 - see above

__all__ = [
    "AnalyserContract",
    "CheckoutContract",
    "EnvironmentContract",
    "ExecutorContract",
    "PluginContract",
    "PublisherContract",
    "Work",
]
