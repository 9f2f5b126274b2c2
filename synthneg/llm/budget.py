"""What a run has used, what that costs, and whether its budget allows one request more."""

import time

from synthneg.config import LLMConfig, PriceConfig
from synthneg.errors import SettingsError
from synthneg.llm.base import Reply
from synthneg.llm.used import Totals


def cost_usd(price: PriceConfig, tokens_in: float, tokens_out: float) -> float | None:
    """Return what the tokens cost in USD; None where a price is not known, which is not the same as nothing."""
    if price.input is None or price.output is None:
        return None
    return (tokens_in * price.input + tokens_out * price.output) / 1e6


def money(usd: float | None) -> str:
    """Return an amount as people read it.

    >>> money(None), money(0.0), money(0.00042), money(12.5)
    ('not known (set llm.price)', '0.00 USD', '0.00042 USD', '12.50 USD')
    """
    if usd is None:
        return "not known (set llm.price)"
    return f"{usd:.2f} USD" if usd >= 0.01 or usd == 0 else f"{usd:.2g} USD"


def check_budget(config: LLMConfig) -> None:
    """Raise SettingsError for a budget in USD without the prices to count it in."""
    if config.budget.usd is not None and cost_usd(config.price, 1, 1) is None:
        raise SettingsError(
            "llm.budget.usd needs llm.price.input and llm.price.output, in USD per million tokens; set them, or give"
            " llm.budget.tokens"
        )


class Budget:
    """Counts what is used against what may be.

    A request in flight counts as one of mean size, so that those sent together do not overrun the budget together.

    Args:
        config: budget and prices.
        before: what the run has used, over all its starts.
        asked_s: seconds of asking that this start has behind it.
    """

    def __init__(self, config: LLMConfig, before: Totals, asked_s: float = 0.0) -> None:
        self._allowed, self._price = config.budget, config.price
        self.used = before
        self._start = time.monotonic() - asked_s
        self._limited = config.budget.model_dump(exclude_none=True) != {}

    def count(self, reply: Reply | None) -> None:
        """Count a try that has ended, with its reply if there is one."""
        self.used = self.used.plus(use_of(reply))

    def used_up(self, in_flight: int) -> str | None:
        """Return what does not allow one request more beside those in flight, in words; None where all does."""
        if not self._limited:
            return None
        allowed, used, more = self._allowed, self.used, in_flight + 1
        share = 1 + more / used.replies if used.replies else 1.0
        tries, tokens = used.replies + used.failures, used.tokens_in + used.tokens_out
        usd = cost_usd(self._price, used.tokens_in * share, used.tokens_out * share)
        if allowed.requests is not None and tries + more > allowed.requests:
            return f"llm.budget.requests: {tries:,} of {allowed.requests:,} are used"
        if allowed.tokens is not None and tokens * share > allowed.tokens:
            return f"llm.budget.tokens: {tokens:,} of {allowed.tokens:,} are used"
        if allowed.usd is not None and usd is not None and usd > allowed.usd:
            used_usd = money(cost_usd(self._price, used.tokens_in, used.tokens_out))
            return f"llm.budget.usd: {used_usd} of {money(allowed.usd)} are used"
        if allowed.minutes is not None and self.asked_s > allowed.minutes * 60:
            return f"llm.budget.minutes: {allowed.minutes:g} minutes of asking are over"
        return None

    @property
    def asked_s(self) -> float:
        """Return the seconds of asking that count against the budget."""
        return time.monotonic() - self._start

    @property
    def limited(self) -> bool:
        """Whether the settings set any budget."""
        return self._limited

    def catch_up(self, used: Totals, asked_s: float) -> None:
        """Count as used what others know to be, where that is more."""
        self.used = Totals(*map(max, self.used, used))
        self._start = min(self._start, time.monotonic() - asked_s)


def use_of(reply: Reply | None) -> Totals:
    """Return what a try has used that ended with this reply, or with none."""
    if reply is None:
        return Totals(0, 0, 0, 1)
    return Totals(1, reply.tokens_in, reply.tokens_out, 0)
