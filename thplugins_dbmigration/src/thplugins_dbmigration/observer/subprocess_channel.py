"""Programs that a wrapper in Python starts get the channel as well, which ``subprocess`` would close."""

import subprocess
from typing import Any


def install(channel: Any) -> None:
    """Pass the channel on, for as long as no migration has taken it. Called when ``subprocess`` has been imported."""
    make = subprocess.Popen.__init__

    def __init__(self: Any, *arguments: Any, **options: Any) -> None:  # noqa: N807 - it takes the place of one
        if not channel.taken and options.get("close_fds", True):
            options["pass_fds"] = (*options.get("pass_fds", ()), channel.number)
        make(self, *arguments, **options)

    setattr(subprocess.Popen, "__init__", __init__)
