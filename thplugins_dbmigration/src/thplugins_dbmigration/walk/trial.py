"""The change's own leg on a dataset."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from thcore.model import Provision, Step
from thplugins_dbmigration import project
from thplugins_dbmigration.options import SilentLoss
from thplugins_dbmigration.walk.ascent import check_start
from thplugins_dbmigration.walk.course import Course
from thplugins_dbmigration.walk.ground import Ground, Site
from thplugins_dbmigration.walk.leg import Leg
from thplugins_dbmigration.walk.manner import Manner
from thplugins_dbmigration.walk.route import fixups
from thplugins_dbmigration.walk.sources import Sources
from thplugins_dbmigration.walk.states import State
from thplugins_dbmigration.walk.trail import Trail


@frozen
class Trial:
    """A change on a dataset. ``state`` is where its leg begins; ``trunk`` is what the target branch has walked, None
    when every step is judged; ``first`` are the tables that a canary is to watch before all others."""

    site: Site
    manner: Manner
    chosen: project.Chosen
    change: Provision
    state: State
    trunk: Trail | None = None
    first: tuple[str, ...] = ()

    def added(self, step: Step) -> bool:
        """Whether the change adds a step: the target branch has not got it, or has it with another content."""
        return (
            self.trunk is None
            or not self.trunk.knows(step)
            or self.trunk.edits(step, Sources(self.change.checkout.path))
        )

    def leg(self, ground: Ground, config: Path, short_of: Step | None = None) -> Leg:
        """The change's leg, ready to be walked; up to a step, where one is named."""
        site, options, trail = self.site, self.manner.options, self.state.trail
        pending = [each for each in fixups(options, site.dataset) if each not in trail.fixups]
        made = project.project(site.build, self.manner, self.change, ground.address, ground.server, config=config)
        course = Course(pending=pending, short_of=short_of)
        counting = options.silent_loss is not SilentLoss.OFF
        leg = Leg(
            site.build,
            site.turns,
            site.dataset,
            site.engine.name,
            made,
            course,
            added=self.added,
            counting=counting,
            census=trail.census if counting and not pending else None,
            canary=options.canary and short_of is None,
            first=self.first,
        )
        if not trail.start:
            leg.look = lambda plan: check_start(site.dataset, plan)
        return leg

    def unjudged(self, ground: Ground, config: Path, name: str = "", short_of: Step | None = None) -> Leg:
        """The same leg for the sake of its way alone: nothing on it is judged or looked at closely, and other datasets
        go on beside it. ``name`` is what results and progress call it."""
        leg = self.leg(ground, config, short_of)
        leg.added = lambda _step: False
        leg.counting = leg.canary = False
        leg.name = name
        return leg
