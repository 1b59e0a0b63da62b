"""Options of the git plugin."""

from __future__ import annotations

from attrs import frozen

from thcore.builtin.fetch_case import is_address
from thcore.builtin.git_process import blank_credentials
from thcore.hooks import option
from thcore.model import Seconds

_MOST_TREES = 50


@frozen
class GitOptions:
    """Options of the git plugin."""

    base_url: str | None = option(
        "Where the projects are: `/PROJECT` is appended. Also a directory of this machine. Without it everything is"
        " fetched from the address that comes with the build, which knows no branches that are up to date.",
        default=None,
        example="https://opendev.org",
    )
    branch: str | None = option(
        "The branch for builds that name none (timer pipelines). Without it, the one that the origin points out.",
        default=None,
        example="main",
    )
    submodules: bool = option("Check out submodules too.", default=True)
    timeout: Seconds = option("How long one call of git may take.", default=Seconds(1800.0))
    retries: int = option("How often a fetch is tried again when the remote does not answer.", default=2)
    spare_trees: int = option(
        "How many work trees of each branch are kept ready: a build that finds one need not write thousands of files."
        " They are replaced after the build. Branches that no build asked for in a day have none. 0: none at all.",
        default=2,
    )
    refresh: Seconds = option(
        "How old the mirror's own branches and tags may get. They speed up fetches and give work trees their tags; the"
        " commit under test is always asked for anew.",
        default=Seconds(600.0),
    )

    def __attrs_post_init__(self) -> None:
        if self.base_url is not None and not is_address(self.base_url, local=True):
            raise ValueError(
                f"base_url {blank_credentials(self.base_url)!r} is no http, https, git or ssh URL and no absolute path"
            )
        if not 0 <= self.spare_trees <= _MOST_TREES:
            raise ValueError(f"spare_trees {self.spare_trees} is not between 0 and {_MOST_TREES}")
