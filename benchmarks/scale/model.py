"""What 10 million, 100 million and a billion passages take, from the figures that have been measured.

python benchmarks/scale/model.py [--assumptions FILE] [--page docs/explanation/scale.md]

A figure is read from `benchmarks/results/` where a script has measured it, else from `assumptions.yaml`, and each says
which. Nothing here has been run at these sizes. With --page the tables of a page are written anew, each between
`<!-- scale: NAME -->` and `<!-- /scale -->`.

Each passage gets a query, and each query that passes its checks a hard negative. Work is divided into phases, one
after the other as `synthneg run` has them. A phase takes as long as its slowest part: what GPUs do, what cores do that
can be shared between machines, and what one process does, which walks over all records.
"""

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from measured import FILES, Figure, read

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results"
PASSAGES = (10_000_000, 100_000_000, 1_000_000_000)
GPUS = (8, 64, 512)
_HOUR = 3600.0


class Phase(NamedTuple):
    """A part of a run: seconds of work by who can do it."""

    name: str
    gpu_s: float  # shared by all GPUs
    core_s: float  # shared by all cores
    one_s: float  # of a single process

    def parts(self, gpus: int, cores: float) -> dict[str, float]:
        """Return the seconds of each part with so many GPUs and cores."""
        return {
            f"{self.name}: GPUs": self.gpu_s / gpus,
            f"{self.name}: cores": self.core_s / cores,
            f"{self.name}: one process": self.one_s,
        }


def phases(passages: int, llm: str, f: dict[str, Figure], search: str = "exact") -> list[Phase]:
    """Return the phases of a run over so many passages, with the small or the large language model.

    The search is `exact` or of the nearest clusters (`nearby`, `verify.approximate_above`). They are those of a cluster
    (`--engine ray`): asking and encoding are spread, the rest is the driver's.
    """

    def v(name: str) -> float:
        return f[name].value

    queries = passages * v("queries_per_passage")
    kept = queries * v("kept_share")
    replies = queries * v("requests")
    written = replies * v("tokens_out") / (v(f"{llm}_llm_output") * v("used_share"))
    read_in = replies * v("tokens_in") * 2 * v(f"{llm}_llm_parameters")
    prompts = read_in / (v("gpu_flops") * v("prefill_share"))
    # Each query against all passages, and against all queries.
    exact = 2 * v("dimensions") * queries * (passages + queries) / v("core_search")
    nearby = queries * v("nearby_s") * (passages / v("nearby_of")) ** v("nearby_growth")
    rows = kept * v("trained_tokens") * 8 * v("encoder_parameters")
    merged = passages * sum(v(f"bytes of {key}") for key in ("ledger", "records"))
    return [
        Phase("read", 0, 0, passages * v("read_s")),
        Phase("ask", written + prompts, replies * v("asked_s"), replies / v("walked")),
        Phase("merge", 0, 0, 2 * merged / v("disk")),
        Phase("encode", (passages + queries + kept) / v("encoded"), 0, 0),
        Phase("search", 0, exact if search == "exact" else nearby, 0),
        Phase("verify", 0, 0, queries * v("verify_s")),
        Phase("export", 0, 0, queries * v("export_s")),
        Phase("train", rows / (v("gpu_flops") * v("train_share")), 0, 0),
    ]


def changed(phases: Sequence[Phase], f: dict[str, Figure]) -> list[Phase]:
    """Return the phases with exact search on GPUs, and with all that a single process does spread over the cores."""
    rate = f["gpu_flops"].value * f["search_gpu_share"].value / f["core_search"].value
    return [
        Phase(p.name, p.core_s / rate, p.one_s, 0)
        if p.name == "search"
        else Phase(p.name, p.gpu_s, p.core_s + p.one_s, 0)
        for p in phases
    ]


def wall(phases: Sequence[Phase], gpus: int, f: dict[str, Figure]) -> tuple[float, str, float]:
    """Return the seconds of a run, the part that takes most of them, and how many those are."""
    cores = gpus * f["cores_per_gpu"].value
    slowest = []
    for phase in phases:
        parts = phase.parts(gpus, cores)
        name = max(parts, key=lambda part: parts[part])
        slowest.append((parts[name], name))
    most, name = max(slowest)
    return sum(seconds for seconds, _ in slowest), name, most


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def amounts(f: dict[str, Figure]) -> str:
    """Return what a run asks for and takes, by size."""
    rows = []
    for passages in PASSAGES:
        replies = passages * f["queries_per_passage"].value * f["requests"].value
        tokens = [replies * f[name].value for name in ("tokens_in", "tokens_out")]
        api = sum(
            n / 1e6 * f[p].value
            for n, p in zip(tokens, ("input_price", "output_price"), strict=True)
        )
        hours = [sum(p.gpu_s for p in phases(passages, m, f)) / _HOUR for m in ("small", "large")]
        rows.append(
            [
                _number(passages),
                _number(replies),
                *map(_number, tokens),
                *(f"{_number(h)} h, ${_number(h * f['gpu_hour'].value)}" for h in hours),
                f"${_number(api)}",
            ]
        )
    head = ["passages", "requests", "tokens in", "tokens out"]
    return table([*head, "GPUs, 1.7B", "GPUs, 9B", "the same tokens from an API"], rows)


def storage(f: dict[str, Figure]) -> str:
    """Return the bytes of each kind of file, by size."""
    kinds = {key: f[f"bytes of {key}"].value for key in FILES}
    texts = 1 + f["queries_per_passage"].value * (1 + f["kept_share"].value)
    kinds["vectors"] = texts * (2 * f["dimensions"].value + 16)  # half precision, and a key
    rows = []
    for passages in PASSAGES:
        total = passages * sum(kinds.values())
        month = total / 1e9 * f["storage_price"].value
        sizes = [_bytes(passages * kinds[key]) for key in kinds]
        rows.append([_number(passages), *sizes, _bytes(total), f"${_number(month)}"])
    return table(["passages", *kinds, "all", "a month"], rows)


def times(f: dict[str, Figure]) -> str:
    """Return wall time and what most of it is spent on, by size and number of GPUs; and with what would change."""
    rows = []
    for passages in PASSAGES:
        for gpus in GPUS:
            cells = [_number(passages), str(gpus)]
            small, large = (phases(passages, llm, f) for llm in ("small", "large"))
            nearby = phases(passages, "small", f, "nearby")
            for run in (small, large, nearby, changed(small, f)):
                seconds, name, most = wall(run, gpus, f)
                cells += [_time(seconds), f"{name}, {most / seconds:.0%}"]
            rows.append(cells)
    ways = ("1.7B", "9B", "1.7B, nearest clusters", "1.7B, changed")
    head = [word for way in ways for word in (f"{way}: wall time", "most of it")]
    return table(["passages", "GPUs", *head], rows)


def work(f: dict[str, Figure]) -> str:
    """Return the hours of each phase by who does them, with the small model."""
    rows = []
    ways = [(phase.name, phase.name, "exact") for phase in phases(1, "small", f)]
    ways.insert(5, ("search, nearest clusters", "search", "nearby"))
    for title, name, search in ways:
        cells = [title]
        for passages in PASSAGES:
            [(_, *seconds)] = (p for p in phases(passages, "small", f, search) if p.name == name)
            kinds = zip(seconds, ("GPU h", "core h", "h of one process"), strict=True)
            cells.append(", ".join(f"{_number(s / _HOUR)} {kind}" for s, kind in kinds if s))
        rows.append(cells)
    return table(["phase", *(f"{_number(n)} passages" for n in PASSAGES)], rows)


def sources(f: dict[str, Figure]) -> str:
    """Return every figure with where it comes from, measured ones first."""
    rows = [
        [name, f"{figure.value:.3g}", figure.unit, figure.source]
        for name, figure in sorted(f.items(), key=lambda item: (not item[1].measured, item[0]))
    ]
    return table(["figure", "value", "unit", "from"], rows)


TABLES: dict[str, Callable[[dict[str, Figure]], str]] = {
    "amounts": amounts,
    "work": work,
    "times": times,
    "storage": storage,
    "sources": sources,
}


def _number(value: float) -> str:
    for power, name in ((1e12, " trillion"), (1e9, " billion"), (1e6, " million")):
        if value >= power:
            return f"{value / power:.3g}{name}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _bytes(value: float) -> str:
    for power, name in ((1e15, "PB"), (1e12, "TB"), (1e9, "GB")):
        if value >= power:
            return f"{value / power:.3g} {name}"
    return f"{value / 1e6:.3g} MB"


def _time(seconds: float) -> str:
    hours = seconds / _HOUR
    return f"{hours:.2g} h" if hours < 48 else f"{_number(hours / 24)} days"


def rewritten(page: str, f: dict[str, Figure]) -> str:
    """Return the page with its tables as the model gives them."""

    def made(found: re.Match[str]) -> str:
        return f"<!-- scale: {found[1]} -->\n{TABLES[found[1]](f)}\n<!-- /scale -->"

    return re.sub(r"<!-- scale: (\w+) -->\n.*?<!-- /scale -->", made, page, flags=re.DOTALL)


def main() -> None:
    """Print the tables, or write them into a page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--assumptions", type=Path, default=HERE / "assumptions.yaml")
    parser.add_argument("--page", type=Path)
    options: Any = parser.parse_args()
    figures = read(RESULTS, options.assumptions)
    if options.page is None:
        print("\n\n".join(make(figures) for make in TABLES.values()))
        return
    page = options.page.read_text(encoding="utf-8")
    options.page.write_text(rewritten(page, figures), encoding="utf-8")


if __name__ == "__main__":
    main()
