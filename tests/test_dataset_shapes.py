"""The shapes of a dataset, on examples worked out by hand."""

from dataclasses import replace

from examples import example, origin
from hypothesis import given
from hypothesis import strategies as st

from synthneg.dataset.formats.beir import query_row
from synthneg.dataset.names import model_name
from synthneg.dataset.shapes import (
    columns,
    labeled_lists,
    n_tuples,
    trained_columns,
    triplets,
    tuple_length,
)

# Documents of `example("tea", negatives=2)`: the passage, written ones of grades 3 2 1 0, two hard negatives.
TEA = "Tea Green tea is steeped at eighty degrees for three minutes."
NEGATIVES = ["tea 0, near miss 0", "tea 0, near miss 1", "tea 0, of grade 1", "tea 0, of grade 0"]


def test_a_triplet_for_each_negative():
    """Each document of grade 1 or 0 makes a triplet with the passage; grades 2 and 3 make none."""
    rows = triplets(example("tea", negatives=2))
    assert [row["negative"] for row in rows] == NEGATIVES
    assert {row["positive"] for row in rows} == {TEA}
    assert {row["query"] for row in rows} == {"what about tea, asked in way 0?"}


def test_a_triplet_names_where_its_texts_come_from():
    """The columns after the texts are the records' ids, prompts, models, seeds, grades and scores."""
    row = triplets(example("tea"))[0]
    assert {
        name: value for name, value in row.items() if name not in trained_columns("triplet", 1)
    } == {
        "query_id": "tea.q0",
        "passage_id": "tea",
        "query_prompt": "query/question@1b9d6bcd",
        "query_model": "tiny-llm",
        "query_seed": 11,
        "positive_id": "tea",
        "positive_source": "corpus",
        "positive_grade": 3,
        "positive_wanted_grade": 3,
        "positive_verdict": "",
        "positive_prompt": None,
        "positive_model": None,
        "positive_seed": None,
        "positive_scores": {"cosine": 0.75, "rank": 1.0},
        "negative_id": "tea.q0.n0",
        "negative_source": "negative",
        "negative_grade": 1,
        "negative_wanted_grade": 1,
        "negative_verdict": "",
        "negative_prompt": "negative/from-query@1b9d6bcd",
        "negative_model": "tiny-llm",
        "negative_seed": 5,
        "negative_scores": {"cosine": 0.125, "cosine_to_positive": 0.25},
    }


def test_a_document_tells_what_it_was_meant_to_be():
    """A relabelled negative is none any more; in a list it has the grade given, the one wanted and the verdict."""
    kept = example("tea", negatives=2)
    answer = replace(kept.documents[-1], grade=3, wanted_grade=1, verdicts=("relabelled",))
    kept = replace(kept, documents=(*kept.documents[:-1], answer))
    assert [row["negative"] for row in triplets(kept)] == [NEGATIVES[0], *NEGATIVES[2:]]
    (row,) = labeled_lists(kept)
    assert (row["labels"][-1], row["document_wanted_grades"][-1]) == (3, 1)
    assert row["document_verdicts"] == [""] * 6 + ["relabelled"]


def test_an_n_tuple_holds_n_negatives_hard_ones_first():
    """The first n negatives stand in columns of their own, with their ids in the same order."""
    (row,) = n_tuples(example("tea", negatives=2), 3)
    assert [row[f"negative_{i}"] for i in (1, 2, 3)] == NEGATIVES[:3]
    assert row["negative_ids"] == ["tea.q0.n0", "tea.q0.n1", "tea.q0.g1"]
    assert row["negative_grades"] == [1, 1, 1]


def test_no_n_tuple_is_padded():
    """A query with fewer than n negatives makes no n-tuple, and n = 0 makes none at all."""
    assert n_tuples(example("tea", negatives=2), 5) == []
    assert n_tuples(example("tea", negatives=2), 0) == []


def test_a_labeled_list_carries_all_documents():
    """A list has the passage first, then all written documents, with grades as labels and cosines as scores."""
    (row,) = labeled_lists(example("tea"))
    assert row["docs"][0] == TEA
    assert row["labels"] == [3, 3, 2, 1, 0, 1]
    assert row["scores"] == [0.75, 0.375, 0.25, 0.125, 0.0, 0.125]
    assert row["document_ids"] == [
        "tea",
        "tea.q0.g3",
        "tea.q0.g2",
        "tea.q0.g1",
        "tea.q0.g0",
        "tea.q0.n0",
    ]
    assert row["document_prompts"][0] is None


def test_a_list_of_one_grade_is_none():
    """A query whose documents all have one grade makes no list: nothing can be ranked."""
    assert labeled_lists(example("tea", negatives=0)) == []


def test_each_row_has_the_columns_of_its_shape():
    """The names and the order of a row are those that `columns` gives types to."""
    kept = example("tea", negatives=2)
    assert list(triplets(kept)[0]) == list(columns("triplet", 4))
    assert list(n_tuples(kept, 4)[0]) == list(columns("n-tuple", 4))
    assert list(labeled_lists(kept)[0]) == list(columns("labeled-list", 4))


def test_the_length_of_tuples_keeps_most_negatives():
    """Of queries with 2+1, 2+1, 2+1 and 2+4 negatives, three a row keep 12, six a row only 6."""
    examples = [example("tea", i, negatives=1) for i in range(3)] + [example("iron", negatives=4)]
    assert [len(e.negatives) for e in examples] == [3, 3, 3, 6]
    assert tuple_length(examples) == 3
    assert tuple_length([example("tea", negatives=0)]) == 0
    assert tuple_length([]) == 0


def test_of_equal_lengths_the_smaller_keeps_more_queries():
    """With 3 and 6 negatives, three a row keep 6 of two queries and six a row 6 of one: three it is."""
    assert tuple_length([example("tea", negatives=1), example("iron", negatives=4)]) == 3


@given(st.lists(st.integers(0, 9), max_size=8))
def test_no_other_length_keeps_more(counts: list[int]):
    """No number of negatives a row keeps more of them than the one chosen."""
    examples = [
        replace(e, documents=(e.documents[0], *(e.documents[-1],) * count))
        for e, count in ((example("tea"), count) for count in counts)
    ]
    kept = [sum(n * len(n_tuples(e, n)) for e in examples) for n in range(10)]
    assert kept[tuple_length(examples)] == max(kept)


def test_a_model_file_is_named_without_its_folder():
    """A row says the file of a local model, never the folder that it lay in; a Hub name stays whole."""
    local = replace(origin("query/question"), model="/home/ada/models/qwen.gguf")
    assert query_row(replace(example("tea"), origin=local))["query_model"] == "qwen.gguf"
    assert model_name("Qwen/Qwen2.5-Coder-1.5B") == "Qwen/Qwen2.5-Coder-1.5B"
