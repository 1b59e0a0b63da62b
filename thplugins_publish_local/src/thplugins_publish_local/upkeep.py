"""Looking after a root now and then: builds that are kept no longer go, and the listings that had them are written."""

from __future__ import annotations

from thplugins_publish_local import publication, retention
from thplugins_publish_local.options import PublishLocalOptions
from thplugins_publish_local.retention import GoOn, Swept, always

BUDGET_S = 10.0
"""Seconds that it may take of a build that has just been published: Zuul waits for its answer meanwhile."""


def look_after(options: PublishLocalOptions, go_on: GoOn = always) -> Swept:
    """Remove what is kept no longer, if it is time to. Raises OSError and InfrastructureError."""
    if options.retention.everything:
        return Swept()
    with retention.turn(options.path) as due:
        return clean(options, go_on) if due else Swept()


def clean(options: PublishLocalOptions, go_on: GoOn = always) -> Swept:
    """Remove what is kept no longer. Raises OSError and InfrastructureError."""
    swept = retention.sweep(options.path, options.retention, go_on)
    for names in swept.above:
        publication.relist(options.path, "/".join((*names, "gone")), options.access)
    return swept
