"""What only the whole set of queries shows is asked again: duplicates, worn phrases, and other languages."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from examples import settings
from hypothesis import given
from hypothesis import strategies as st
from test_generate_order import LINES, fill

from synthneg.errors import BackendError
from synthneg.generate.hints import Hint, asked_again
from synthneg.generate.queries import write_queries
from synthneg.generate.watch import Watch, worn_of
from synthneg.generate.worn import Frequent, Phrase, phrases_of, surplus, to_suppress
from synthneg.llm.ask import Asker, Job
from synthneg.llm.base import Request, Unanswerable
from synthneg.llm.history import History
from synthneg.llm.ledger import Ledger
from synthneg.llm.replay import Replay
from synthneg.llm.wire import Dialect, body_of
from synthneg.prompts.render import Message
from synthneg.records import Origin, Passage, Query
from synthneg.run import Run
from synthneg.run.books import Stage
from synthneg.testing import ScriptedBackend
from synthneg.words import normalized

QUESTION = ("query/question",)
OTHER, BEGIN, USE = "Write another one than: ", "Do not begin with: ", "Do not use: "
LANGUAGE = "Write in "
GERMAN = "wie lange dreht sich eigentlich das alte Mühlrad am Fluss"
DRAWN = """---
makes: query
about: A question in a language that is drawn.
needs: [passage]
draws: {language: [German]}
sampling: {temperature: 0.7, max_tokens: 60}
---
=== user
In {{ draws.language }}: {{ passage.text }}
"""


@contextmanager
def opened(
    folder: Path,
    count: int = 60,
    prompts: tuple[str, ...] = QUESTION,
    concurrency: int = 8,
    **queries: object,
) -> Iterator[Run]:
    """Give a run with a corpus of `count` English passages of which each names its number."""
    generate = {"queries": {"prompts": list(prompts), **queries}}
    config = settings(
        generate=generate,
        llm={"concurrency": concurrency},
        corpus={"path": "corpus", "limit": None},
    )
    text = "the old mill of number{} turns slowly by the river, and the miller grinds wheat for all"
    with closing(Run(folder, config)) as run:
        fill(
            run,
            "corpus",
            "passages.jsonl",
            [Passage(f"p{n}", text.format(n)) for n in range(count)],
        )
        yield run


def ask(run: Run, answer: Callable[[Request], str], **backend: Callable) -> list[Request]:
    """Write the queries with a scripted model, and return what that was asked."""
    model = ScriptedBackend(answer, **backend)

    async def work() -> None:
        with closing(Ledger(run.file("ledger.sqlite"))) as ledger:
            await write_queries(run, Asker(model, ledger, run.config.llm, run.config.seed))

    asyncio.run(work())
    return model.asked


def last(request: Request) -> str:
    """Return the last message."""
    return request.messages[-1].content or ""


def number(request: Request) -> int:
    """Return which passage a request shows."""
    return int(re.findall(r"number(\d+)", last(request))[0])


def texts(run: Run) -> list[str]:
    """Return the texts of the queries."""
    return [query.text for query in run.read("queries.jsonl", Query)]


def twins(request: Request) -> str:
    """Say the same of each two passages, and something else where it is asked to."""
    said = f"why does mill {number(request) // 2} turn"
    return f"{said} at {request.seed}" if OTHER in last(request) else said


def test_a_duplicate_is_asked_again_with_another_seed_and_what_it_must_not_be(
    tmp_path: Path,
) -> None:
    """The second of two queries with the same words is asked again once, says something new, and keeps its place."""
    with opened(tmp_path, 6) as run:
        asked = ask(run, twins)

        again = [request for request in asked if OTHER in last(request)]
        assert [number(request) for request in again] == [1, 3, 5]
        first = {number(r): r for r in asked if OTHER not in last(r)}
        for request in again:
            n = number(request)
            assert last(request) == f"{last(first[n])}\n\n{OTHER}why does mill {n // 2} turn"
            assert request.seed != first[n].seed
        queries = list(run.read("queries.jsonl", Query))
        assert [query.id for query in queries] == [f"p{n}:question:0" for n in range(6)]
        assert len({normalized(query.text) for query in queries}) == 6
        assert [q.origin.seed for q in queries if " at " in q.text] == [r.seed for r in again]
        assert run.books()["generate.queries"]["kept"] == 6


@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_what_stays_a_duplicate_stays_after_the_last_round(tmp_path: Path, rounds: int) -> None:
    """A model that always says the same is asked again as often as there are rounds, each time with another seed."""
    with opened(tmp_path, 3, rounds=rounds) as run:
        asked = ask(run, lambda _: "Why does the mill turn?")

        assert len(asked) == 3 + 2 * rounds
        assert len({request.seed for request in asked}) == len(asked)
        assert texts(run) == ["Why does the mill turn?"] * 3
        assert run.books()["generate.queries"] == {"in": 3, "kept": 3, "rejected": {}, "failed": {}}


WORDS = "anvil basil cedar dune ember fjord glade heron inlet jetty kelp larch".split()


def repetitive(request: Request) -> str:
    """Begin with the same words nine times of ten, unless asked not to."""
    chance = random.Random(request.seed)
    tail = " ".join(chance.choices(WORDS, k=5)) + f" {number(request)}"
    if BEGIN not in last(request) and chance.random() < 0.9:
        return f"what is the role of {tail}"
    return f"{chance.choice(WORDS)} {tail}"


def most(said: list[str], opens: bool) -> float:
    """Return the largest share of the texts that have a first word, or three words in a row, in common."""
    counts = Counter(
        phrase for text in said for phrase in phrases_of(text) if phrase.opens == opens
    )
    return counts.most_common(1)[0][1] / len(said)


def test_worn_phrases_fall_below_their_share(tmp_path: Path) -> None:
    """Of a model that begins nine of ten queries alike, no first word or triple is in more than 0.2 of 200 at last."""
    with opened(tmp_path, 200, worn_share=0.2) as run:
        asked = ask(run, repetitive)

        said = texts(run)
        assert most(said, opens=True) <= 0.2
        assert most(said, opens=False) <= 0.2
        again = [request for request in asked if BEGIN in last(request)]
        assert 0.6 * 200 < len(again) < 0.75 * 200
        assert all(USE in last(request) for request in again)
        assert all("what" in request.sampling["suppress"] for request in again)
        assert all("suppress" not in r.sampling for r in asked if BEGIN not in last(r))
        # Those that stay as they are lie anywhere, not at the head of the corpus.
        stayed = [n for n, text in enumerate(said) if text.startswith("what")]
        assert min(stayed) < 40
        assert max(stayed) > 160


def test_without_a_share_and_in_small_sets_nothing_is_worn(tmp_path: Path) -> None:
    """By default, and of fewer than 50 queries, none is asked again for how it begins."""
    for name, count, share in (("default", 80, None), ("few", 49, 0.1)):
        with opened(tmp_path / name, count, worn_share=share) as run:
            assert len(ask(run, repetitive)) == count


def test_neither_concurrency_nor_delay_changes_a_byte(tmp_path: Path) -> None:
    """One request at a time, and 64 that answer in any order, write the same file."""

    def answer(request: Request) -> str:
        said = repetitive(request)
        return twins(request) if number(request) % 5 == 0 else said

    files = []
    for concurrency in (1, 64):
        with opened(
            tmp_path / str(concurrency), 120, worn_share=0.2, rounds=2, concurrency=concurrency
        ) as run:
            ask(run, answer, delay_s=lambda request: request.seed % 7 / 1000)
            files.append(run.file("queries.jsonl").read_bytes())
    assert files[0] == files[1]


def test_a_run_that_dies_in_a_round_comes_out_the_same_and_asks_nothing_twice(
    tmp_path: Path,
) -> None:
    """Cut off in the first or second round and begun again, a run writes the same bytes with the same requests."""

    def stubborn(request: Request) -> str:
        return twins(request) if number(request) % 3 else "why does the mill turn"

    with opened(tmp_path / "whole", 40, rounds=2, concurrency=1) as run:
        asked = [(r.seed, last(r)) for r in ask(run, stubborn)]
        whole = run.file("queries.jsonl").read_bytes()
    assert len(asked) == len(set(asked))
    seconds = [n for n, (_, text) in enumerate(asked) if OTHER in text]
    for place in (seconds[0], seconds[3], len(asked) - 2):
        with opened(tmp_path / f"cut{place}", 40, rounds=2, concurrency=1) as run:
            left = iter(range(place))

            def trouble(_: Request, __: int, left: Iterator[int] = left) -> Exception | None:
                return None if next(left, None) is not None else BackendError("gone")

            with pytest.raises(BackendError, match="gone"):
                ask(run, stubborn, trouble=trouble)
            assert not run.file("queries.jsonl").exists()
            assert not list(run.folder.glob("queries.jsonl.*"))
            rest = [(r.seed, last(r)) for r in ask(run, stubborn)]
            assert rest == asked[place:]
            assert run.file("queries.jsonl").read_bytes() == whole


def test_a_second_start_asks_nothing_and_leaves_later_books_alone(tmp_path: Path) -> None:
    """A stage with a round, walked again, sends nothing, writes the same bytes and voids nothing made of it."""
    with opened(tmp_path, 20) as run:
        ask(run, twins)
        before = run.file("queries.jsonl").read_bytes()
        fill(
            run, "verify.queries", "verified_queries.jsonl", list(run.read("queries.jsonl", Query))
        )
        assert ask(run, twins) == []
        assert run.file("queries.jsonl").read_bytes() == before
        assert "verify.queries" in run.books()


def test_where_nothing_is_at_fault_nothing_is_written_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queries that all differ take one request each, and their file is neither read nor written again."""
    for name in ("revised", "written"):
        monkeypatch.setattr(Stage, name, lambda *_: pytest.fail("gone through again"))
    with opened(tmp_path, 30) as run:
        assert len(ask(run, lambda r: f"why does mill {number(r)} turn")) == 30


def test_a_further_asking_that_fails_leaves_what_there_was(tmp_path: Path) -> None:
    """A request that cannot be answered in a round leaves the duplicate in the file; nothing counts as failed."""

    def trouble(request: Request, _: int) -> Exception | None:
        return Unanswerable("too_long_for_model", "no") if OTHER in last(request) else None

    with opened(tmp_path, 4) as run:
        ask(run, twins, trouble=trouble)
        assert texts(run) == [f"why does mill {n // 2} turn" for n in range(4)]
        assert run.books()["generate.queries"]["failed"] == {}
        write_again(run)
        assert texts(run) == [f"why does mill {n // 2} turn" for n in range(4)]


def write_again(run: Run) -> None:
    """Write the queries from the ledger alone, as `synthneg reparse` does."""
    with closing(History(run.file("ledger.sqlite"))) as history:
        replay = Replay(history, "scripted", run.config.seed, run.config.llm.reasks, {})
        asyncio.run(write_queries(run, replay))


def test_the_ledger_alone_gives_the_same_rounds(tmp_path: Path) -> None:
    """What is parsed anew without a request comes out byte for byte as it was asked, rounds and rejects included."""
    with opened(tmp_path, 60, worn_share=0.3) as run:
        ask(run, lambda r: GERMAN if number(r) == 7 else repetitive(r))
        names = ("queries.jsonl", "rejects.jsonl", "books.json")
        before = [run.file(name).read_bytes() for name in names]
        assert run.books()["generate.queries"]["rejected"] == {"language": 1}
        write_again(run)
        assert [run.file(name).read_bytes() for name in names] == before


def test_another_language_is_asked_again_once_then_rejected(tmp_path: Path) -> None:
    """A German query to an English passage is asked again in English; where it stays German, the books say so."""

    def answer(request: Request) -> str:
        n = number(request)
        german = n in (1, 2) and (n == 2 or LANGUAGE not in last(request))
        return GERMAN + f" {n}" if german else f"why does mill {n} turn"

    with opened(tmp_path, 4, rounds=0) as run:
        asked = ask(run, answer)
        again = [request for request in asked if LANGUAGE in last(request)]
        assert [number(request) for request in again] == [1, 2]
        assert all(last(request).endswith("\n\nWrite in English.") for request in again)
        assert texts(run) == [f"why does mill {n} turn" for n in (0, 1, 3)]
        books = run.books()["generate.queries"]
        assert (books["in"], books["kept"], books["rejected"]) == (4, 3, {"language": 1})
        assert "must be English" in run.file("rejects.jsonl").read_text()
        assert "German (" in run.file("rejects.jsonl").read_text()


def test_any_language_will_do_where_the_settings_say_so(tmp_path: Path) -> None:
    """With language: any, a German query to an English passage is kept and nothing is asked again."""
    with opened(tmp_path, 2, language="any") as run:
        assert len(ask(run, lambda r: f"{GERMAN} {number(r)}")) == 2
        assert len(texts(run)) == 2


def test_the_language_that_was_drawn_is_what_is_demanded(tmp_path: Path) -> None:
    """A prompt that draws German gets German: an English query to an English passage is asked again for it."""
    (tmp_path / "drawn.j2").write_text(DRAWN)

    def answer(request: Request) -> str:
        if LANGUAGE in last(request) or number(request) == 0:
            return f"{GERMAN} {number(request)}"
        return "how long does anybody need before such wheels begin moving"

    with opened(tmp_path, 2, (str(tmp_path / "drawn.j2"),)) as run:
        asked = ask(run, answer)
        assert [number(r) for r in asked if last(r).endswith("Write in German.")] == [1]
        assert texts(run) == [f"{GERMAN} {n}" for n in range(2)]


def test_of_several_lines_one_duplicate_is_not_worth_a_request(tmp_path: Path) -> None:
    """A reply of two lines is asked again where both say what was said before, and stays where one of them is new."""
    (tmp_path / "both.j2").write_text(LINES)

    def answer(request: Request) -> str:
        n = number(request)
        new = f"how wide is mill {n}" if n == 1 or OTHER in last(request) else "where is it"
        return f"why does the mill turn\n{new}"

    with opened(tmp_path, 3, (str(tmp_path / "both.j2"),)) as run:
        asked = ask(run, answer)
        assert [number(request) for request in asked if OTHER in last(request)] == [2]
        lines = [text for text in texts(run) if not text.startswith("why")]
        assert lines == ["where is it", "how wide is mill 1", "how wide is mill 2"]
        assert run.books()["generate.queries"]["kept"] == 6


def test_what_a_model_wrote_is_never_interpreted_in_a_hint() -> None:
    """A duplicate that looks like a template stands in the added line as it is."""
    job = Job("p:question:0", "t@1", (Message("user", "say"),), {}, "text", 1, {})
    again = asked_again(job, Hint(other="{{ 7 * 7 }} {% for x in y %}"), 1, 7)
    assert again.messages[-1].content == f"say\n\n{OTHER}{{{{ 7 * 7 }}}} {{% for x in y %}}"


def test_servers_get_no_words_to_suppress() -> None:
    """The words are part of the request, and not of the body that goes to a server whose tokens nobody knows."""
    request = Request(
        (Message("user", "say"),), {"temperature": 1.0, "suppress": ["what"]}, 1, None
    )
    body = body_of("m", request, Dialect())
    assert "suppress" not in body
    assert "logit_bias" not in body
    assert body["temperature"] == 1.0
    assert request.sampling["suppress"] == ["what"]


SAID = st.lists(
    st.sampled_from(["what is a b", "what is a c", "how is it so", "why", "x y z w"]),
    min_size=1,
    max_size=300,
)


@given(SAID, st.sampled_from([0.1, 0.25, 0.5]))
def test_no_frequent_phrase_is_missed(said: list[str], share: float) -> None:
    """Whatever is in more than its share of the texts is found, and nothing that is rarer by more than the slack."""
    frequent = Frequent(share / 10)
    exact: Counter[Phrase] = Counter()
    for text in said:
        frequent.add(phrases_of(text))
        exact.update(phrases_of(text))
    found = frequent.above(share)
    assert {phrase for phrase, count in exact.items() if count > share * len(said)} <= found
    assert all(exact[phrase] > (share - share / 10) * len(said) - 1 for phrase in found)


@given(SAID, st.sampled_from([0.1, 0.25, 0.5]), st.integers(0, 9))
def test_enough_are_chosen_and_hardly_more(said: list[str], share: float, seed: int) -> None:
    """Without those that are chosen for a phrase, it is at its share; with one of them less, it may be above it."""
    queries = [
        Query(f"p{n}:q:0", text, "p", "train", Origin("q@1", "m", {}, 1, "k"))
        for n, text in enumerate(said)
    ]
    with Watch(share) as watch:
        for query in queries:
            watch.note(query)
        worn = worn_of(queries, watch.candidates(), share, seed).get("q@1", [])
    counts = Counter(phrase for text in said for phrase in phrases_of(text))
    named = {found.phrase for found in worn}
    assert named == {p for p, count in counts.items() if surplus(count, len(said), share)}
    assert [counts[found.phrase] for found in worn] == sorted(
        (counts[found.phrase] for found in worn), reverse=True
    )


def test_memory_does_not_grow_with_phrases() -> None:
    """Of 20,000 texts whose phrases all differ, few are held; the one that a tenth of them share is."""
    frequent, held = Frequent(0.01), 0
    for n in range(20_000):
        frequent.add(phrases_of(f"w{n} x{n} y{n} z{n}" if n % 10 else f"worn {n} {n} {n}"))
        held = max(held, len(frequent))
    assert held < 1000
    assert {phrase.text for phrase in frequent.above(0.09)} == {"worn"}


def test_a_triple_is_suppressed_by_its_longest_word() -> None:
    """Of a worn triple the word that carries it is made unlikely, not the words that no text can do without."""
    assert to_suppress([Phrase("of the role", False), Phrase("what", True)]) == ["role", "what"]
