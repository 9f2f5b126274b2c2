"""The model of what large corpora take (benchmarks/scale/model.py), and the page that shows its tables."""

from pathlib import Path

import model
import pytest
from measured import read

ROOT = Path(__file__).parents[1]
SCALE = ROOT / "benchmarks" / "scale"


def test_the_page_shows_what_the_model_gives():
    """Each table of docs/explanation/scale.md is that of the script; `--page` writes them anew."""
    page = (ROOT / "docs" / "explanation" / "scale.md").read_text(encoding="utf-8")

    figures = read(ROOT / "benchmarks" / "results", SCALE / "assumptions.yaml")

    assert all(f"<!-- scale: {name} -->" in page for name in model.TABLES)
    assert model.rewritten(page, figures) == page


def test_a_figure_of_a_user_changes_what_follows_from_it(tmp_path: Path):
    """Dearer GPUs change the money alone; a measured figure stands, whatever the assumptions say of it."""
    results, given = ROOT / "benchmarks" / "results", tmp_path / "mine.yaml"
    text = (SCALE / "assumptions.yaml").read_text(encoding="utf-8")
    given.write_text(
        text.replace("value: 3.0", "value: 6.0")
        + "kept_share: {value: 0.1, unit: of the queries, source: a guess}\n"
    )

    before, after = (read(results, file) for file in (SCALE / "assumptions.yaml", given))

    assert after["gpu_hour"].value == 2 * before["gpu_hour"].value
    assert after["kept_share"] == before["kept_share"]
    assert model.amounts(after) != model.amounts(before)
    assert model.times(after) == model.times(before)


def test_search_is_quadratic_and_the_rest_is_not():
    """Ten times the passages are a hundred times the search, and ten times of all else."""
    figures = read(ROOT / "benchmarks" / "results", SCALE / "assumptions.yaml")

    small, large = (model.phases(n, "small", figures) for n in (10_000_000, 100_000_000))

    for one, ten in zip(small, large, strict=True):
        factor = 100 if one.name == "search" else 10
        assert ten[1:] == pytest.approx([factor * seconds for seconds in one[1:]])


def test_the_search_of_the_nearest_clusters_grows_less():
    """Ten times the passages are more than ten and less than a hundred times that search, and nothing else changes."""
    figures = read(ROOT / "benchmarks" / "results", SCALE / "assumptions.yaml")

    exact = model.phases(10_000_000, "small", figures)
    small, large = (model.phases(n, "small", figures, "nearby") for n in (10_000_000, 100_000_000))

    assert [phase for phase in exact if phase not in small] == [
        phase for phase in exact if phase.name == "search"
    ]
    [(few, many)] = [
        (one.core_s, ten.core_s)
        for one, ten in zip(small, large, strict=True)
        if one.name == "search"
    ]
    assert 10 * few < many < 100 * few
    assert few < next(phase.core_s for phase in exact if phase.name == "search")


def test_a_run_takes_as_long_as_its_slowest_parts():
    """With a phase of GPUs and one of a single process, more GPUs shorten the first alone, and then the other leads."""
    figures = read(ROOT / "benchmarks" / "results", SCALE / "assumptions.yaml")
    phases = model.phases(10_000_000, "large", figures)
    few, _, _ = model.wall(phases, 8, figures)
    many, name, most = model.wall(phases, 100_000, figures)

    alone = sum(phase.one_s for phase in phases)

    assert alone <= many < few
    assert name.endswith("one process")
    assert most < many
