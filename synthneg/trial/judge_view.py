"""What judges come to: cards for a person, and what two of them are compared in."""

from collections.abc import Callable, Sequence

from synthneg.trial.cases import Which
from synthneg.trial.entries import busy_s, model_of
from synthneg.trial.judged import Judged
from synthneg.trial.measures import Measure, Ratio, mean_of
from synthneg.trial.rows import Outcome
from synthneg.trial.view import Card, Piece, Sheet, kept_where, queries_by
from synthneg.trial.walk import Walked

_BEGINNING = 240  # characters of a passage that are shown


def judge_outcomes(judged: Sequence[Judged]) -> list[Outcome]:
    """Return each case as a record: what was said of each passage in [0, 1], and whether the own one stands above."""
    return [
        Outcome(
            one.case.own.id,
            one.case.query.id,
            "\n".join(said.words for said in one.said.values()),
            None,
            _values(one),
        )
        for one in judged
    ]


def judge_measures() -> list[Measure]:
    """Return what two judges are compared in, in the order of a report.

    `own above near` is how often the own passage is said to answer better than the near one, a tie counting half: the
    AUC within a query. What should be said of the near passage nobody knows.
    """
    return [
        Ratio("readable", "higher", "share", lambda o: (o.values["readable"], o.values["shown"])),
        _mean("own above near", "above_near"),
        _mean("own above random", "above_random"),
        _mean("said of own", "own"),
        Ratio("said of near", None, "share", _of("near")),
        Ratio("said of random", "lower", "share", _of("random")),
        mean_of("tokens", "lower"),
    ]


def judge_sheet(walked: Walked) -> Sheet:
    """Return what is to be shown of a judge's arm."""
    arm, config = walked.arm, walked.run.config
    count = len(walked.judged)
    heading = (
        f"{arm.prompt.tag} · {count:,} {'query' if count == 1 else 'queries'} of {config.corpus.path} · "
        f"{model_of(walked)} · seed {config.seed}{queries_by(config)}"
    )
    return Sheet(heading, tuple(map(_card, walked.judged)), tuple(_summary(walked)))


def _card(one: Judged) -> Card:
    own = one.case.own
    pieces = []
    for which, passage in one.case.passages.items():
        value, words, raw = one.said[which]
        text = passage.full_text
        shown = text if len(text) <= _BEGINNING else text[:_BEGINNING] + "…"
        score = "" if value is None else f"{value:.2f}: "
        facts = f"passage {passage.id}"
        pieces.append(Piece(which, shown, (), _is_right(which, value), score + words, facts, raw))
    title = f"{own.id}{' · ' + own.title if own.title else ''}"
    return Card(one.case.query.id, title, own.text, one.case.query.text, tuple(pieces), "")


def _is_right(which: Which, value: float | None) -> bool:
    """Whether a verdict is what one would expect; of the near passage any is."""
    if value is None:
        return False
    return which == "near" or (value >= 0.5) == (which == "own")


def _summary(walked: Walked) -> list[str]:
    found = judge_outcomes(walked.judged)
    lines = []
    for measure in judge_measures():
        if isinstance(measure, Ratio):
            parts = [measure.of(outcome) for outcome in found]
            above, below = (sum(column) for column in zip(*parts, strict=True))
            if below:
                share = measure.form == "share"
                value = f"{above / below:.0%}" if share else f"{above / below:,.0f} per query"
                lines.append(f"{measure.name}: {value}")
    if found:
        lines.append(f"time: {busy_s(walked) / len(found):,.2f} s per query")
    return [*lines, kept_where([walked])]


def _values(one: Judged) -> dict[str, float]:
    known: dict[str, float] = {w: s.value for w, s in one.said.items() if s.value is not None}
    values = known | {"tokens": one.tokens, "readable": len(known), "shown": len(one.said)}
    for other in ("near", "random"):
        if "own" in known and other in known:
            gap = known["own"] - known[other]
            values[f"above_{other}"] = 1.0 if gap > 0 else 0.5 if gap == 0 else 0.0
    return values


def _mean(name: str, key: str) -> Ratio:
    return Ratio(name, "higher", "share", _of(key))


def _of(key: str) -> Callable[[Outcome], tuple[float, float]]:
    return lambda o: (o.values.get(key, 0), key in o.values)
