"""What a run has used of its language model and of its budget, as lines of text. Nothing is written."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synthneg.config import LLMConfig
    from synthneg.llm.history import History
    from synthneg.llm.used import Totals
    from synthneg.run.books import Counts

_MOST_REASONS = 4


def usage_lines(folder: Path, books: "dict[str, Counts]") -> list[str]:
    """Return what the run in `folder` has used: replies, failed tries, tokens, money, budget; none where none asked."""
    from synthneg.llm.history import History  # noqa: PLC0415  # not needed for help
    from synthneg.settings import load  # noqa: PLC0415  # as above

    if not (folder / "ledger.sqlite").exists():
        return []
    config = load(folder / "run.yaml").llm
    history = History(folder / "ledger.sqlite")
    try:
        totals = history.totals()
        lines = [*_totals_lines(history, totals, config), *_budget_lines(totals, config)]
    finally:
        history.close()
    over = sum(counts["failed"].get("budget", 0) for counts in books.values())
    if over:
        lines.append(
            f"  over the budget: {over:,} records were not asked for; raise llm.budget and give the same command, which"
            " goes on from there"
        )
    return lines


def _totals_lines(history: "History", totals: "Totals", config: "LLMConfig") -> list[str]:
    from synthneg.llm.budget import cost_usd, money  # noqa: PLC0415  # needs the settings model

    by_reason = list(history.reasons().items())
    reasons = [f"{reason} {n:,}" for reason, n in by_reason[:_MOST_REASONS]]
    more = sum(n for _, n in by_reason[_MOST_REASONS:])
    if more:
        reasons.append(f"other reasons {more:,}")
    why = f" ({', '.join(reasons)})" if reasons else ""
    spent = money(cost_usd(config.price, totals.tokens_in, totals.tokens_out))
    lines = [
        f"  ledger: {totals.replies:,} replies, {totals.failures:,} failed tries{why},"
        f" {totals.tokens_in:,} tokens in, {totals.tokens_out:,} out; cost: {spent}"
    ]
    lines += [
        f"  {backend} takes: {' and '.join(words)}" for backend, words in history.dialects().items()
    ]
    lines += [
        f"  batch {name} is open: {owed:,} replies are to come; the same command fetches them"
        for name, owed in history.open_batches()
    ]
    return lines


def _budget_lines(totals: "Totals", config: "LLMConfig") -> list[str]:
    from synthneg.llm.budget import cost_usd, money  # noqa: PLC0415  # needs the settings model

    budget, lines = config.budget, []
    used = {
        "requests": (totals.replies + totals.failures, budget.requests),
        "tokens": (totals.tokens_in + totals.tokens_out, budget.tokens),
    }
    for name, (count, allowed) in used.items():
        if allowed is not None:
            lines.append(
                f"  llm.budget.{name}: {count:,} of {allowed:,} are used ({count / allowed:.0%})"
            )
    if budget.usd is not None:
        usd = cost_usd(config.price, totals.tokens_in, totals.tokens_out)
        share = "" if usd is None else f" ({usd / budget.usd:.0%})"
        lines.append(f"  llm.budget.usd: {money(usd)} of {money(budget.usd)} are used{share}")
    if budget.minutes is not None:
        lines.append(f"  llm.budget.minutes: {budget.minutes:g} at each start")
    return lines
