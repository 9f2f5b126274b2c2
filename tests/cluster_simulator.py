"""A cluster in virtual time: workers with a `Pace` and a `Leased` each, and one keeper that may be restarted."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from pace_simulator import VirtualLoop

from synthneg.cluster.keeper import NOTHING, Grant, Keeper, Report
from synthneg.cluster.leased import Leased
from synthneg.config import LLMConfig
from synthneg.llm.base import Reply
from synthneg.llm.limits import Pace
from synthneg.llm.used import Totals

START = 1000.0


@dataclass
class Cluster:
    """What happens in it: when each request went and with how many tokens, and the most that were in flight at once."""

    config: LLMConfig
    loop: VirtualLoop
    draw: random.Random
    reply_s: float = 0.5
    tokens: Callable[[], int] = lambda: 1
    guess: Callable[[int], int] = lambda units: units
    used: Totals = NOTHING
    sent: list[tuple[float, int]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    reports: int = 0
    gone: dict[str, Totals] = field(default_factory=dict)  # what the board knows

    def __post_init__(self) -> None:
        self.keeper = Keeper(self.config, self.used, 0.0, clock=self.loop.time)

    def restart(self) -> None:
        """Lose the keeper with all that it knew."""
        told = {"restarted": True, "gone": dict(self.gone), "clock": self.loop.time}
        self.keeper = Keeper(self.config, self.used, 0.0, **told)

    async def carry(self, report: Report) -> Grant:
        """Take a report there and its answer back, each way in up to 20 ms."""
        self.reports += 1
        if report.leaves:
            self.gone[report.worker] = report.used
        await asyncio.sleep(self.draw.random() * 0.02)
        grant = self.keeper.answer(report)
        await asyncio.sleep(self.draw.random() * 0.02)
        return grant

    async def work(self, until: Callable[[], bool]) -> None:
        """Be one worker, which asks as fast as it may until it is done."""
        async with Leased(self.config, self.carry, self.loop.time) as share:
            pace = Pace(self.config, self.loop.time, share)
            askers = (self.ask(pace, share, until) for _ in range(self.config.concurrency))
            await asyncio.gather(*askers)

    async def ask(self, pace: Pace, share: Leased, until: Callable[[], bool]) -> None:
        """Send one request after the other."""
        while not until():
            units = self.tokens()
            estimate = self.guess(units)
            if not pace.try_enter(estimate, estimate):
                await pace.enter(estimate, estimate)
            words = share.used_up(0)
            if words is not None or until():
                pace.leave("failed", 0.0, estimate, estimate, 0, 0)
                if words is not None:
                    self.refused.append(words)
                    return
                continue
            self.sent.append((self.loop.now, units))
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            await asyncio.sleep(self.reply_s * (0.5 + self.draw.random()))
            self.in_flight -= 1
            share.count(Reply("", "stop", units, units, "m"))
            pace.leave("done", self.reply_s, estimate, estimate, units, units)
