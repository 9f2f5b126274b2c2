"""The comparison as text and as plain data."""

import json
import re
from dataclasses import replace

import numpy as np
from prompt_arms import draw

from synthneg.trial.arms import compare_arms
from synthneg.trial.measures import standard
from synthneg.trial.rows import Outcome, to_json
from synthneg.trial.table import table

SAME, OTHER = draw(60, 1), draw(60, 2, rate=0.95)


def rows_of(a, b):
    return compare_arms(a, b, standard(a, b), 7, 300)


def test_a_line_per_row_and_a_conclusion():
    """Each measure has its line with both values and its word; the last lines name where B differs."""
    rows = rows_of(SAME, OTHER)
    lines = table(rows, "old", "new")
    assert lines[0].split()[-3:] == ["-", "old", "p"]
    for row, line in zip(rows, lines[1:], strict=False):
        assert line.startswith(row.measure)
        assert line.endswith(row.word)
    kept = next(line for line in lines if line.startswith("kept"))
    assert f"{100 * rows[1].a.mean:.1f} [" in kept
    end = " ".join(lines[lines.index("") :])
    assert "new is better in kept" in end
    assert "the rest is not distinguishable" in end
    assert f"p is corrected for {rows[0].tests} tested rows" in end
    assert "found four times in five: parsed" in end


def test_a_prompt_with_a_single_text_has_no_pairs_of_texts():
    """Of one text that parsed there is no cosine, whatever the last bits of its vector's length; the table stands."""
    first, *others = few = [o for o in SAME if o.text is not None][:3]
    longer = replace(first, vector=first.vector * np.float32(1.0001))
    rows = rows_of(few, [longer, *(replace(o, text=None, vector=None) for o in others)])
    (found,) = (row for row in rows if row.measure == "pairwise cosine")
    assert np.isnan(found.b.mean)
    assert found.word == "not distinguishable"
    (line,) = (line for line in table(rows) if line.startswith("pairwise cosine"))
    assert line.split()[-4:] == ["-", "1.000", "not", "distinguishable"]


def test_all_alike_is_said_so():
    """Identical arms come to one sentence."""
    assert "The two are not distinguishable in any measure." in table(rows_of(SAME, SAME))


def test_the_table_fits_its_columns():
    """Long names of reasons and large numbers are cut and shortened to 110 columns."""
    arms = [
        [
            Outcome(o.unit, o.id, o.text, "speaks_of_passage_or_more" if i % 3 else o.reason,
                    {**o.values, "tokens": 123456.7 * (i + arm)}, o.vector)
            for i, o in enumerate(SAME)
        ]
        for arm in (0, 1)
    ]  # fmt: skip
    lines = table(rows_of(*arms))
    assert max(map(len, lines)) <= 110
    assert any("…" in line for line in lines)


def test_a_narrow_terminal_gets_the_table_without_the_intervals_of_a_and_b():
    """In 80 columns each row still has both values, the difference with its interval, p and the word."""
    rows = rows_of(SAME, OTHER)
    lines = table(rows, width=80)
    assert max(map(len, lines)) <= 80
    kept = next(line for line in lines if line.startswith("kept"))
    assert re.fullmatch(r"kept +[\d.]+  +[\d.]+  +[+-][\d.]+ \[.*, .*\]  +<?[.\d]+ +better", kept)
    assert max(map(len, table(rows))) > 80


def test_a_difference_that_could_be_missed_is_written_out():
    """Of a large measure it is a whole number with commas, not 1.3e+04."""
    arms = [
        [Outcome(o.unit, o.id, o.text, o.reason, {"tokens": 1e4 + 9e3 * (i % size)}) for i, o in enumerate(arm)]
        for arm, size in ((SAME, 7), (OTHER, 5))
    ]  # fmt: skip
    end = " ".join(table(rows_of(*arms)))
    assert re.search(r"tokens \d\d,\d{3}", end)
    assert "e+" not in end


def test_what_is_undefined_is_a_dash_and_null():
    """A prompt that keeps nothing has a dash in the table, and null in JSON that any reader takes."""
    a = [Outcome(f"u{i}", f"u{i}", None, "not_json", {"tokens": 5.0}) for i in range(9)]
    b = [Outcome(f"u{i}", f"u{i}", "a word", None, {"tokens": 5.0}) for i in range(9)]
    rows = rows_of(a, b)
    line = next(line for line in table(rows) if line.startswith("tokens per kept"))
    assert line.split()[3] == "-"
    plain = to_json(rows)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    row = next(row for row in plain if row["measure"] == "tokens per kept")
    assert (row["a"]["mean"], row["b"]["mean"], row["word"]) == (None, 5.0, "not distinguishable")


def test_no_rows_have_a_sentence():
    """Without records there is no table, but a line that says why."""
    assert table([]) == ["nothing to compare: no prompt was asked for a record"]
