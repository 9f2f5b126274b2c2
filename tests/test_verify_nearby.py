"""Verification by the nearest clusters: what it misses is what it says; without the setting nothing is otherwise."""

import json
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import walked
from examples import origin, settings

from synthneg.cli.common import books_lines
from synthneg.dataset.export import export
from synthneg.interval import wilson
from synthneg.records import Query, Score
from synthneg.report.write import write_report
from synthneg.run import Run
from synthneg.scoring.vectors import CachedEncoder
from synthneg.testing import HashingEncoder
from synthneg.verify import alike, nearby
from synthneg.verify.alike import Alike
from synthneg.verify.documents import verify_documents
from synthneg.verify.queries import verify_queries

RECORDS = 500
K = 5
FILES = (
    "scores.jsonl",
    "alike_queries.jsonl",
    "verified_queries.jsonl",
    "rejects.jsonl",
    "books.json",
)
FOUND = re.compile(r"of (\d+) queries checked exactly, (\d+) would pass .* \((\S+)% to (\S+)%\)")


@pytest.fixture(autouse=True)
def _small_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw samples of 100 queries, and look so near that some verdicts are wrong."""
    monkeypatch.setattr(nearby, "CHECKED", 100)
    monkeypatch.setattr(nearby, "_WRONG", 0.2)
    monkeypatch.setattr(nearby, "_RECALL", 0.2)


class Refuses(HashingEncoder):
    """An encoder that must not be asked."""

    def encode(self, texts, role):  # noqa: ANN001, ANN201 - as the one it stands for
        """Fail."""
        raise AssertionError(f"{len(texts)} texts of role {role} were to be encoded again")


@contextmanager
def opened(folder: Path, k: int = K, **verify: object) -> Iterator[Run]:
    """Give the run in `folder`, of passages and queries of made-up words where it is a new one."""
    checks = {"queries": {"round_trip_k": k}, "probe": {"examples": 0}} | verify
    run = Run(folder, settings(verify=checks))
    with closing(run):
        if not run.has("queries.jsonl"):
            walked.write_inputs(run, RECORDS)
        yield run


def verify(run: Run, dimension: int = 16) -> None:
    """Compare and verify the queries."""
    encoder = CachedEncoder(HashingEncoder(dimension), run.vectors, "planted")
    alike.compare_queries(run, encoder, list, "")
    verify_queries(run, encoder)


def ranks(run: Run) -> dict[tuple[str, str], float]:
    """Return the rank of each query's passage."""
    found = run.read("scores.jsonl", Score)
    return {(s.query_id, s.document_id): s.value for s in found if s.scorer == "rank"}


def kept(run: Run) -> set[str]:
    """Return the ids of the queries that passed."""
    return {query.id for query in run.read("verified_queries.jsonl", Query)}


def told(run: Run) -> dict[str, Any]:
    """Return what is said of ranks."""
    found: dict[str, Any] = json.loads(run.file(nearby.RANKS).read_bytes())
    return found


def content(run: Run) -> dict[str, bytes]:
    """Return the bytes of what verification writes."""
    return {name: run.file(name).read_bytes() for name in FILES}


def test_ranks_are_lower_bounds_and_the_sample_has_the_exact_ones(tmp_path: Path) -> None:
    """No rank is above the exact one, so what an exact search keeps is kept; what is told of the sample is so."""
    with opened(tmp_path / "exact") as run:
        verify(run)
        exact, passed = ranks(run), kept(run)
    with opened(tmp_path / "nearby", approximate_above=RECORDS - 1) as run:
        verify(run)
        found = ranks(run)
        assert found.keys() == exact.keys()
        assert all(found[pair] <= exact[pair] for pair in exact)
        assert sum(found[pair] < exact[pair] for pair in exact) > 20
        assert passed < kept(run)
        pairs = [tuple(pair) for pair in told(run)["ranks"]]
        assert len(pairs) == 100
        assert all(of_sample <= of_all for of_all, of_sample in pairs)
        assert any(of_sample < of_all for of_all, of_sample in pairs)
        places = nearby._samples(RECORDS, run.config.seed)[1].tolist()
        assert [exact[f"p{n}:q", f"p{n}"] for n in places] == [of_all for of_all, _ in pairs]
        assert [found[f"p{n}:q", f"p{n}"] for n in places] == [of_all for of_all, _ in pairs]
        [note, _] = run.books()["verify.queries"]["notes"]
    differ = sum(of_sample <= K < of_all for of_all, of_sample in pairs)
    assert differ > 0
    low, high = (f"{100 * bound:.1f}" for bound in wilson(differ, 100))
    match = FOUND.search(note)
    assert match is not None
    assert match.groups() == ("100", str(differ), low, high)


def test_another_threshold_measures_nothing_and_is_told_anew(tmp_path: Path) -> None:
    """With another k no text is encoded, scores stand, and the note counts the verdicts that this k gives."""
    with opened(tmp_path, approximate_above=1) as run:
        verify(run)
        before = run.file("scores.jsonl").read_bytes()
    with opened(tmp_path, k=40, approximate_above=1) as run:
        alike.compare_queries(run, Refuses(16), list, "")
        verify_queries(run, CachedEncoder(Refuses(16), run.vectors, "planted"))
        assert run.file("scores.jsonl").read_bytes() == before
        match = FOUND.search(run.books()["verify.queries"]["notes"][0])
        assert match is not None
        assert int(match[2]) == sum(found <= 40 < exact for exact, found in told(run)["ranks"])
        assert {r for r in ranks(run).values() if r > 40}


@pytest.mark.parametrize("how", ["as many passages", "few queries"])
def test_up_to_the_size_every_byte_is_that_of_the_exact_search(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A corpus of as many passages as the setting says, or two samples of queries, are searched exactly."""
    if how == "few queries":
        monkeypatch.setattr(nearby, "CHECKED", RECORDS // 2)
    with opened(tmp_path / "exact") as run:
        verify(run)
        expected = content(run)
    above = RECORDS if how == "as many passages" else 1
    with opened(tmp_path / "nearby", approximate_above=above) as run:
        verify(run)
        assert content(run) == expected
        assert not run.has(nearby.RANKS)
        assert not run.has(nearby.QUERIES)


def test_without_the_setting_ranks_are_exact_again(tmp_path: Path) -> None:
    """A run that was verified approximately comes out, when that is taken back, as one that never was."""
    with opened(tmp_path / "exact") as run:
        verify(run)
        expected = content(run)
    with opened(tmp_path / "nearby", approximate_above=1) as run:
        verify(run)
        assert content(run) != expected
    with opened(tmp_path / "nearby") as run:
        verify(run)
        assert content(run) == expected
        assert not run.has(nearby.RANKS)
        assert not run.has(nearby.QUERIES)


def test_queries_from_several_passages_are_ranked_for_each(tmp_path: Path) -> None:
    """A query of two passages has a rank for both, never above the exact one; of the sample the worse one is told."""
    found = {}
    for name, above in {"exact": None, "nearby": 1}.items():
        with opened(tmp_path / name, approximate_above=above) as run:
            queries = list(run.read("queries.jsonl", Query))
            with run.stage("generate.queries", "queries.jsonl") as stage:
                for n, query in enumerate(queries):
                    stage.take()
                    also = (f"p{(n + 7) % RECORDS}",) if n % 3 == 0 else ()
                    stage.keep(replace(query, also=also))
            verify(run)
            found[name] = ranks(run)
            if above:
                pairs = told(run)["ranks"]
                places = nearby._samples(RECORDS, run.config.seed)[1].tolist()
    assert found["exact"].keys() == found["nearby"].keys()
    assert len(found["exact"]) == RECORDS + -(-RECORDS // 3)
    assert all(found["nearby"][pair] <= rank for pair, rank in found["exact"].items())
    worst = {id: 0.0 for id, _ in found["exact"]}
    for (id, _), rank in found["exact"].items():
        worst[id] = max(worst[id], rank)
    assert [of_all for of_all, _ in pairs] == [worst[f"p{n}:q"] for n in places]


def test_near_duplicates_are_those_of_the_exact_search_but_for_the_told_share(
    tmp_path: Path,
) -> None:
    """Of planted queries that differ in a word nearly all pairs are found, with their cosines, and no other one."""
    found = {}
    for name, above in {"exact": None, "nearby": 1}.items():
        with opened(tmp_path / name, approximate_above=above) as run:
            with run.stage("generate.queries", "queries.jsonl") as stage:
                for n in range(RECORDS):
                    stage.take()
                    text = f"{walked.words(9, 'q', n // 2)} {walked.words(1, 'own', n)}"
                    stage.keep(
                        Query(f"p{n}:q", text, f"p{n}", "train", origin("query/question", n))
                    )
            verify(run, 64)
            near = [a for a in run.read("alike_queries.jsonl", Alike) if a.measure == "cosine"]
            found[name] = {(a.id, a.other): a.value for a in near}
            if above:
                said = json.loads(run.file(nearby.QUERIES).read_bytes())
                note = run.books()["verify.queries"]["notes"][1]
    exact = found["exact"]
    assert len(exact) > RECORDS / 4
    assert found["nearby"].keys() <= exact.keys()
    assert len(found["nearby"]) > 0.95 * len(exact)
    assert all(
        value == pytest.approx(exact[pair], abs=2e-6) for pair, value in found["nearby"].items()
    )
    assert 0.9 * said["pairs"] <= said["found"] <= said["pairs"]
    assert f"{said['found']} of {said['pairs']} like ones are found" in note


def test_what_is_missed_is_told_wherever_the_books_are(tmp_path: Path) -> None:
    """The summary at a run's end, its page and the dataset's card say how many queries an exact search drops."""
    with opened(tmp_path, approximate_above=1) as run:
        verify(run)
        walked.write_documents(run, RECORDS)
        verify_documents(run, HashingEncoder(16))
        export(run)
        notes = run.books()["verify.queries"]["notes"]
        lines = books_lines(run.books())
        write_report(run)
        page = run.file("report.html").read_text()
        card = run.file("dataset").joinpath("README.md").read_text()
    assert len(notes) == 2
    for note in notes:
        assert f"  verify.queries: {note}" in lines
        assert note in page
        assert f"verify.queries: {note}." in card
