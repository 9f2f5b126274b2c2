"""How many requests and tokens may be sent per minute: the limits that a server's owner publishes.

Each limit is a generic cell rate algorithm (ITU-T I.371): one number, the time by which all that was sent is paid
for. It spaces requests evenly, where a counter per minute would send a burst and then fall silent.
"""

from collections.abc import Iterable

from synthneg.config import LLMConfig

# Sending may run ahead of what is paid for by this much, at a rate this far below the limit: together no window of
# a minute holds more than the limit and one request, and no more than 1 % of the limit is given away.
_AHEAD_S = 0.6


class _Rate:
    """One limit per minute."""

    def __init__(self, per_minute: int, unit: str, slack_s: float) -> None:
        self.words = f"limit of {per_minute:,} {unit}/min"
        self.cost_s = (60.0 + slack_s) / per_minute  # seconds that one unit takes
        self.paid_at = 0.0  # when all that was sent is paid for


class Rates:
    """The limits on requests, input tokens and output tokens per minute.

    A request goes when what was sent before it is paid for; its own tokens delay those after it.

    Args:
        config: the limits.
        held_s: how long after `take` a request may be sent at the latest; it costs that share of a minute.
    """

    def __init__(self, config: LLMConfig, held_s: float = 0.0) -> None:
        limits = (
            (config.requests_per_minute, "requests"),
            (config.input_tokens_per_minute, "input tokens"),
            (config.output_tokens_per_minute, "output tokens"),
        )
        self._requests, self._input, self._output = (
            _Rate(limit, unit, _AHEAD_S + held_s) if limit is not None else None
            for limit, unit in limits
        )
        self._all = [rate for rate in (self._requests, self._input, self._output) if rate]

    def __bool__(self) -> bool:
        return bool(self._all)

    def wait_s(self, now: float) -> float:
        """Return how long the next request must wait, in seconds; 0 when it may go."""
        return max(0.0, *(rate.paid_at - now - _AHEAD_S for rate in self._all), 0.0)

    def take(self, now: float, tokens_in: int, tokens_out: int) -> bool:
        """Charge a request that goes now, with its tokens as estimated; return False where it must wait."""
        if self.wait_s(now):
            return False
        for rate, units in (
            (self._requests, 1),
            (self._input, tokens_in),
            (self._output, tokens_out),
        ):
            if rate is not None:
                rate.paid_at = max(rate.paid_at, now) + units * rate.cost_s
        return True

    def correct(self, tokens_in: int, tokens_out: int, requests: int = 0) -> None:
        """Charge what was not estimated; negative: give back what was not used."""
        for rate, units in (
            (self._requests, requests),
            (self._input, tokens_in),
            (self._output, tokens_out),
        ):
            if rate is not None:
                rate.paid_at += units * rate.cost_s

    def debts_s(self, now: float) -> tuple[float, ...]:
        """Return for each limit in how many seconds all that was sent is paid for; negative: since when."""
        return tuple(rate.paid_at - now for rate in self._all)

    def owe(self, now: float, debts_s: Iterable[float]) -> None:
        """Take over debts, as `debts_s` tells them, that are larger than the own ones."""
        for rate, debt_s in zip(self._all, debts_s, strict=True):
            rate.paid_at = max(rate.paid_at, now + debt_s)

    def tightest(self, now: float) -> str:
        """Return the words for the limit that holds requests back most at `now`; "" where none does."""
        rate = max(self._all, key=lambda rate: rate.paid_at)
        return rate.words if rate.paid_at > now else ""
