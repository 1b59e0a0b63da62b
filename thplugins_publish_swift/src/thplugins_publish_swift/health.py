"""What ``thcore doctor`` looks at: are the accounts of the jobs let in, and are their containers there?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from thcore.errors import InfrastructureError
from thcore.model import Finding, Severity
from thplugins_publish_swift.options import PublishSwiftOptions
from thplugins_publish_swift.patience import Patience
from thplugins_publish_swift.store import Store


def checks(options: Sequence[PublishSwiftOptions]) -> Iterator[Finding]:
    """One finding for each account and container. Nothing is written there, and nothing is tried again."""
    for each in dict.fromkeys(options):
        if each.has_account:
            yield _usable(each)


def _usable(options: PublishSwiftOptions) -> Finding:
    container = options.container or ""
    with Store(options, Patience(0, lambda: None)) as store:
        try:
            there = store.headers(container) is not None
        except InfrastructureError as error:
            hint = "Builds are answered all the same; their evidence waits in the spool until this is mended."
            return Finding("publish-swift-unusable", Severity.UNVERIFIED, str(error), hint=hint)
    if there:
        return Finding("publish-swift-usable", Severity.INFO, f"Swift shows us the container {container}")
    if options.create_container:
        told = f"Swift lets us in; the container {container} will be made when the first build is published"
        return Finding("publish-swift-usable", Severity.INFO, told)
    return Finding(
        "publish-swift-unusable",
        Severity.UNVERIFIED,
        f"Swift has no container {container}",
        hint="Make it, or set create_container.",
    )
