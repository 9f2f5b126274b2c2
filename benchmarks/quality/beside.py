"""Arms of a comparison beside an arm that is not the first, and beside BM25, of the values that were measured.

    python benchmarks/quality/beside.py OUTPUTS/NAME COLLECTION ARM OTHER...

Each OTHER beside ARM, and all beside BM25: intervals over queries and seeds, p of the paired randomisation test,
corrected over the OTHERs (Holm), as `synthneg compare` does it. `base` is the student of ARM before its training.
"""

import argparse
from pathlib import Path

from synthneg.compare.result import Entry, Measured, compare_entries
from synthneg.evaluate.stored import read_per_query

SEED, RESAMPLES = 0, 10_000
BASE, TUNED, BM25 = "base", "tuned", "bm25"  # as a run's measures call them


def read(folder: Path, collection: str, arms: list[str]) -> Measured:
    """Return what each arm got, once a seed, with the base of the first one and BM25."""
    models = {}
    for arm in arms:
        files = sorted(folder.glob(f"arms/{arm}-seed-*/evaluation/{collection}.per-query.jsonl"))
        if not files:
            raise SystemExit(f"{folder}: no arm {arm} was measured on {collection}")
        models[arm] = [read_per_query(file) for file in files]
    found = {arm: [of[TUNED] for of in seeds] for arm, seeds in models.items()}
    for reference in (BASE, BM25):
        found[reference] = [of[reference] for of in models[arms[0]]]
    return Measured(collection, "", found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of the comparison")
    parser.add_argument("collection")
    parser.add_argument("arms", nargs="+", help="the one that the others are compared with first")
    given = parser.parse_args()
    arms = [arm for arm in given.arms if arm != BASE]
    measured = read(given.folder, given.collection, arms)
    entries = [Entry(arm, BM25) for arm in given.arms]
    for told in compare_entries(entries, [measured], SEED, RESAMPLES)[0].told:
        gap = told.difference
        interval = f"{gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]"
        print(f"{gap.a} less {gap.b}  {gap.measure}  {interval}  p = {gap.p_holm:.4f}  {told.word}")


if __name__ == "__main__":
    main()
