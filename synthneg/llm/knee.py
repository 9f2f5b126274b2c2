"""How many requests in flight a server can use, found from what it gets done.

By Little's law requests in flight = throughput x latency: past its knee a server that queues without refusing (vLLM
with all its batch in use) answers no more per second, only later. Latency alone does not tell such a server from one
whose throughput still grows a little with each request, nor from long replies, so it only raises the suspicion; the
verdict is by trial: fewer in flight for some rounds, kept if as much was done.

The suspected knee follows BBR, which takes throughput x shortest latency for it (Cardwell et al., ACM Queue 14(5),
2016). Trials bisect, on a logarithmic scale, between it and the present limit, and stop at 1.5 times the knee: a short
queue costs nothing and keeps the server busy. Trials upward double, as more capacity may have come; where
refusals set the limit they start with a sixteenth, since there each is paid for with refusals, and the steps double
while none comes.
"""

import math
import statistics
from dataclasses import dataclass

# The runs of a benchmark are over before a trial can gain what it costs.
_FIRST_TRIAL_ROUND = 10
_LEAST_OF_A_ROUND = 16
_ROUNDS_TO_COMPARE = 4
_LEAST_ROUNDS_OF_BOTH = 6
_MOST_ROUNDS_OF_A_TRIAL = 12
_MOST_REMEMBERED = 16
_SHORT_QUEUE = 1.5  # limit / suspected knee up to which no trial is made
_LONG_QUEUE = 4.0  # the same from which none is put off
_KEPT = 0.96  # share of the throughput that fewer in flight must keep
_GAINED = 0.14  # exponent: twice as many must do 1.1 times as much
_CLEAR = 1.5  # standard errors by which a trial is decided before its rounds are over
_SURE = 2.0  # standard errors that a gain must have, as more in flight is not tried to do less
# Rounds until the next trial: doubled when one was in vain.
_PATIENCE_UP, _LONGEST_PATIENCE_UP = 4, 32
_PATIENCE_DOWN, _LONGEST_PATIENCE_DOWN = 8, 256


@dataclass(frozen=True, slots=True)
class _Round:
    """What was done in one turnover of the requests in flight."""

    replies: int
    tokens: int
    seconds: float  # by the clock
    busy: float  # seconds of all its replies together
    fastest: float  # seconds of its quickest reply


class Knee:
    """The most requests worth having in flight, from 1 to `cap`; starts at the cap, since a run may be short."""

    def __init__(self, cap: int) -> None:
        self.limit = self._cap = cap
        self._series: list[_Round] = []  # at the present limit
        self._before: list[_Round] = []  # in a trial: at the limit that it compares with
        self._from = 0  # in a trial: that limit; else 0
        self._rounds = 0
        self._bad, self._bad_until = 0, 0
        self._patience_up, self._patience_down, self._up_from = _PATIENCE_UP, _PATIENCE_DOWN, 0
        self._share = 1.0  # of the throughput, that the trials since then have left
        self._step = 0  # of the next trial upward; 0: doubling
        self._unqueued_s = math.inf  # the quickest reply of all
        # Whether fewer in flight have done as much: then fewer still may. In a run that opens with hundreds of requests
        # at once, even the quickest reply may have waited, in this process or in the server.
        self._falling = False
        self._settling = False
        self._fastest = math.inf  # of this round
        self._begin(-math.inf)

    def done(self, now: float, seconds: float, tokens: int, in_flight: int) -> None:
        """Record a reply that came at `now`.

        Args:
            now: seconds, of any steady clock.
            seconds: from sending to the last byte.
            tokens: of the reply.
            in_flight: requests still in flight.
        """
        self._replies += 1
        self._tokens += tokens
        self._busy += seconds
        if seconds < self._fastest:
            self._fastest = seconds
        if self._replies >= self._size and now > self._start:
            self._end_round(now, in_flight)

    def refused(self, limit: int, now: float) -> None:
        """Obey a server that refused all above `limit`: no trial below can be as sure."""
        more = 0 < self._from < 0.9 * limit
        self._wait_up(in_vain=self._from > 0 and not more)
        self._step = max(1, limit // 16)
        self._from, self._series, self._share = 0, [], 1.0
        self._move(limit, now)

    def resize(self, cap: int, now: float) -> None:
        """Have at most `cap` from `now` on: a limit that was the cap goes with it, one that was found stays below it.

        Of several askers that share a server, each finds its own limit, which is safe: their caps add up to
        llm.concurrency, and a limit is never above its cap. Refusals come to each in proportion to what it sends, so
        they lower all alike. Where a server queues, fewer in flight of one asker leave its turns to the others, so
        that its trials are in vain, and the queue stays as long as llm.concurrency makes it.
        """
        before = self._from or self.limit
        limit = cap if before == self._cap else min(before, cap)
        self._cap, self._from, self._series = cap, 0, []
        self._move(limit, now)

    def _begin(self, now: float) -> None:
        self._start = now
        self._size = max(self.limit, _LEAST_OF_A_ROUND)
        self._replies = self._tokens = 0
        self._busy, self._fastest = 0.0, math.inf

    def _end_round(self, now: float, in_flight: int) -> None:
        ended = _Round(self._replies, self._tokens, now - self._start, self._busy, self._fastest)
        self._unqueued_s = min(self._unqueued_s, self._fastest)
        self._rounds += 1
        crowded = in_flight >= self.limit
        # Little's law once more: with fewer in flight than allowed, the round tells of us and not of the server.
        idle = ended.busy < 0.75 * self.limit * ended.seconds
        self._begin(now)
        if self._settling or crowded:
            self._settling = crowded
        elif not idle:
            self._series = [*self._series, ended][-_MOST_REMEMBERED:]
            if self._from:
                self._judge(now)
            else:
                self._consider(now)

    def _consider(self, now: float) -> None:
        """Start a trial where there is reason for one."""
        low = self._suspected()
        if self._falling:
            low = min(low, self.limit / 2)
        low = max(low, self._bad if self._rounds < self._bad_until else 0, 1)
        queue = self.limit / low
        known = self._rounds >= _FIRST_TRIAL_ROUND and len(self._series) >= _ROUNDS_TO_COMPARE
        if (known and queue > _SHORT_QUEUE) or (queue > _LONG_QUEUE and len(self._series) > 1):
            self._try(math.ceil(math.sqrt(self.limit * low)), now)
        elif (known or self._step) and self.limit < self._cap and self._rounds >= self._up_from:
            self._try(min(self._cap, self.limit + (self._step or self.limit)), now)

    def _suspected(self) -> float:
        """Return how many would be in flight if none of them waited in the server.

        What even the quickest reply of each round has come to take is taken for waiting. The mean would not do:
        replies of different length, or in heavier company, have always taken longer than the quickest.
        """
        waiting = statistics.median(r.fastest for r in self._series) - self._unqueued_s
        mean = sum(r.busy for r in self._series) / sum(r.replies for r in self._series)
        return self.limit * (1 - waiting / mean)

    def _try(self, limit: int, now: float) -> None:
        self._from, self._before, self._series = self.limit, self._series, []
        self._move(limit, now)

    def _move(self, limit: int, now: float) -> None:
        self.limit, self._settling = limit, True
        self._begin(now)

    def _judge(self, now: float) -> None:
        if self.limit > self._from and self._step:
            self._step *= 2  # no refusal came, else the trial would have ended
            self._from = 0
            return
        gain, error = _compare(self._before, self._series)
        line = _KEPT / self._share
        if self.limit > self._from:
            # By chance, one of many trials seems to gain a little.
            line = max((self.limit / self._from) ** _GAINED, 1 + _SURE * error)
        # Of fewer rounds the error itself is not known.
        known = len(self._before) + len(self._series) >= _LEAST_ROUNDS_OF_BOTH
        clear = known and abs(gain - line) > _CLEAR * error
        if clear or len(self._series) >= _MOST_ROUNDS_OF_A_TRIAL:
            if gain > line:
                self._share = min(1.0, self._share * gain)
            self._end_trial(gain > line, now)

    def _end_trial(self, keep: bool, now: float) -> None:
        back, tried, self._from = self._from, self.limit, 0
        if keep == (tried > back):  # so fewer in flight do less
            self._bad, self._bad_until = min(back, tried), self._rounds + self._patience_down
        self._falling = keep and tried < back
        if tried > back:
            self._wait_up(in_vain=not keep)
        elif keep:
            self._step = 0
            self._wait_up(in_vain=True)
        else:
            self._patience_down = min(2 * self._patience_down, _LONGEST_PATIENCE_DOWN)
        if not keep:
            self._series = self._before
            self._move(back, now)

    def _wait_up(self, in_vain: bool) -> None:
        longer = min(2 * self._patience_up, _LONGEST_PATIENCE_UP)
        self._patience_up = longer if in_vain else _PATIENCE_UP
        self._up_from = self._rounds + self._patience_up


def _compare(before: list[_Round], after: list[_Round]) -> tuple[float, float]:
    """Return throughput after / before and its standard error, in the unit that varies less: replies or tokens."""
    return min(
        (_ratio(before, after, unit) for unit in ("replies", "tokens")), key=lambda pair: pair[1]
    )


def _ratio(before: list[_Round], after: list[_Round], unit: str) -> tuple[float, float]:
    rates, replies, squares = [], [], 0.0
    for series in (before, after):
        work, seconds = sum(getattr(r, unit) for r in series), sum(r.seconds for r in series)
        if not work:
            return 1.0, math.inf
        rates.append(work / seconds)
        replies.append(sum(r.replies for r in series))
        squares += sum(
            r.replies * (getattr(r, unit) / r.seconds / rates[-1] - 1) ** 2 for r in series
        )
    spread = squares / (len(before) + len(after) - 2)
    return rates[1] / rates[0], math.sqrt(spread * (1 / replies[0] + 1 / replies[1]))
