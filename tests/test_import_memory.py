"""An import in memory that does not grow with the dataset."""

from pathlib import Path

import pytest
from import_memory import beir, imported, size, triplets


@pytest.mark.slow
@pytest.mark.parametrize("make", [triplets, beir])
def test_four_times_the_rows_take_no_more_memory(make, tmp_path: Path) -> None:
    """Of a dataset four times as large the peak lies at most a few megabytes higher, whatever its format."""
    peaks = []
    for rows in (3_000, 12_000):
        folder = tmp_path / str(rows)
        folder.mkdir()
        dataset = make(folder, rows, words=300)
        peaks.append(imported(folder, dataset)["peak_mb"])
    assert size(dataset) > 30e6
    assert peaks[1] - peaks[0] < 10
