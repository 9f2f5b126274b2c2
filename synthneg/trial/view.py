"""What `prompts try` shows, before it is lines or a page: a card for each passage, and what all of it comes to."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import orjson

from synthneg.config import RunConfig
from synthneg.llm.budget import money
from synthneg.prompts.head import Makes
from synthneg.trial.entries import Entry, busy_s, model_of
from synthneg.trial.outcomes import by_query, inversions
from synthneg.trial.walk import Walked


@dataclass(frozen=True, slots=True)
class Piece:
    """A text that was written, and what became of it."""

    name: str  # such as "query", or "grade 3"
    text: str | None  # None: no reply was of use
    said: tuple[tuple[str, str], ...]  # what the model said beside it
    kept: bool
    verdict: str  # "kept", or the reason with its detail
    facts: str  # its scores
    raw: str  # the last reply, where none was of use


@dataclass(frozen=True, slots=True)
class Card:
    """What was asked of one passage, or for one of its queries."""

    key: str  # id of the passage or the query
    title: str
    passage: str
    query: str | None  # that was given to the prompt
    pieces: tuple[Piece, ...]
    note: str  # what is to be said of the pieces together


@dataclass(frozen=True, slots=True)
class Sheet:
    """All cards of a prompt, and their sum."""

    heading: str
    cards: tuple[Card, ...]
    summary: tuple[str, ...]


def sheet_of(walked: Walked, entries: Sequence[Entry]) -> Sheet:
    """Return what is to be shown of the arm of a prompt that writes."""
    arm, config = walked.arm, walked.run.config
    model = model_of(walked)
    count = len({entry.passage.id for entry in entries})
    what = "passage" if count == 1 else "passages"
    heading = f"{arm.prompt.tag} · {count:,} {what} of {config.corpus.path} · {model} · seed {config.seed}"
    groups: dict[str, list[Entry]] = {}
    if arm.makes != "query":
        heading += queries_by(config)
    if arm.makes == "query":
        for entry in entries:
            groups.setdefault(entry.passage.id, []).append(entry)
    else:
        groups = by_query(entries)
    passages = walked.run.books()["corpus"]["kept"]
    cards = tuple(_card(group, arm.makes, passages) for group in groups.values())
    return Sheet(heading, cards, tuple(_summary(walked, entries)))


def queries_by(config: RunConfig) -> str:
    """Say which prompt wrote the queries, where they did not come with the corpus."""
    prompts = ", ".join(config.generate.queries.prompts)
    return "" if config.corpus.is_written else f" · queries by {prompts}"


def _card(group: Sequence[Entry], makes: Makes, passages: int) -> Card:
    first = group[0]
    note = ""
    if makes == "document":
        wrong, pairs = inversions(group)
        if pairs:
            said = ", ".join(f"{a.grade} not nearer than {b.grade}" for a, b in wrong)
            note = f"{pairs - len(wrong)} of {pairs} pairs of grades are in order by cosine"
            note += f": {said}" if said else ""
    return Card(
        first.query.id if first.query else first.passage.id,
        f"{first.passage.id}{' · ' + first.passage.title if first.passage.title else ''}",
        first.passage.text,
        first.query.text if first.query else None,
        tuple(_pieces(group, makes, passages)),
        note,
    )


def _pieces(group: Sequence[Entry], makes: Makes, passages: int) -> Iterator[Piece]:
    """Yield the pieces of a group; what the model said beside several of them stands with the first alone."""
    before: set[tuple[str, str]] = set()
    for entry in group:
        piece = _piece(entry, makes, passages)
        yield replace(piece, said=tuple(said for said in piece.said if said not in before))
        before.update(piece.said)


def _piece(entry: Entry, makes: Makes, passages: int) -> Piece:
    name = makes if entry.grade is None else f"grade {entry.grade}"
    verdict = "kept"
    if entry.reason is not None:
        verdict = f"{entry.reason}: {entry.detail}" if entry.detail else entry.reason
    said = tuple((key, _plain(value)) for key, value in entry.said.items())
    facts = _facts(entry, passages)
    return Piece(name, entry.text, said, entry.reason is None, verdict, facts, entry.raw)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _facts(entry: Entry, passages: int) -> str:
    facts, scores = [], entry.scores
    if "rank" in scores:
        facts.append(f"its passage is at rank {scores['rank']:,.0f} of {passages:,}")
        facts.append(f"cosine {scores['cosine']:.3f}")
    elif "cosine" in scores:
        facts.append(
            f"cosine to the query {scores['cosine']:.3f} (passage {scores['positive']:.3f})"
        )
        facts.append(f"to the passage {scores['cosine_to_positive']:.3f}")
    facts.append(f"{entry.tokens_in + entry.tokens_out:,.0f} tokens")
    return ", ".join(facts)


def _summary(walked: Walked, entries: Sequence[Entry]) -> list[str]:
    asked = len(entries)
    parsed = sum(entry.text is not None for entry in entries)
    kept = sum(entry.reason is None for entry in entries)
    reasons = Counter(entry.reason for entry in entries if entry.reason is not None)
    lost = ", ".join(f"{reason} {n:,}" for reason, n in reasons.most_common())
    tokens_in, tokens_out = (
        sum(entry.tokens_in for entry in entries),
        sum(entry.tokens_out for entry in entries),
    )
    usd = [entry.usd for entry in entries if entry.usd is not None]
    cost = money(sum(usd) / kept) if usd and kept else None
    lines = [
        f"asked for {asked:,}, parsed {parsed:,}, kept {kept:,}{_share(kept, asked)}",
        f"dropped: {lost or 'none'}",
        f"tokens: {tokens_in:,.0f} in, {tokens_out:,.0f} out; {_per(tokens_in + tokens_out, asked)} per record"
        f" asked for, {_per(tokens_in + tokens_out, kept)} per record kept",
        f"time: {_per(busy_s(walked), kept, 2)} s per record kept, at {walked.run.config.llm.concurrency} in flight",
        f"money: {cost or ('no record was kept' if usd else money(None))}{' per record kept' if cost else ''}",
    ]
    if walked.arm.makes == "document":
        found = [inversions(group) for group in by_query(entries).values()]
        wrong, pairs = sum(len(w) for w, _ in found), sum(n for _, n in found)
        if pairs:
            lines.append(
                f"order of grades: {pairs - wrong:,} of {pairs:,} pairs by cosine{_share(pairs - wrong, pairs)}"
            )
    return [*lines, kept_where([walked])]


def kept_where(arms: Sequence[Walked]) -> str:
    """Say where the replies lie."""
    folders = [walked.run.folder for walked in arms]
    names = ", ".join(folder.name for folder in folders)
    return (
        f"replies are kept in {folders[0].parent} ({names}): the same command asks nothing again; the folder may be"
        " deleted"
    )


def _share(part: int, whole: int) -> str:
    return f" ({part / whole:.0%})" if whole else ""


def _per(amount: float, count: int, places: int = 0) -> str:
    return f"{amount / count:,.{places}f}" if count else "-"
