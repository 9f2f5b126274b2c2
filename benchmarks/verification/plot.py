"""The curves of the witnesses as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path


def draw(measured: Mapping[str, Sequence[dict]], file: Path) -> None:
    """Draw recall against alarms, a panel for each collection; witnesses together have broken lines.

    Needs matplotlib, which the project itself does not: pip install matplotlib.
    """
    import matplotlib  # noqa: PLC0415 - not among the project's packages

    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415 - as above

    figure, panels = pyplot.subplots(
        1, len(measured), figsize=(9.5 * len(measured), 5), squeeze=False
    )
    for panel, (name, witnesses) in zip(panels[0], measured.items(), strict=True):
        panel.set_prop_cycle(color=pyplot.get_cmap("tab20").colors)
        for one in witnesses:
            curve = one["curve"]
            label = f"{one['witness']} ({one['recall']['share']:.2f})"
            style = "--" if one["together"] else "-"
            panel.plot(curve["alarms"], curve["recall"], style, label=label, linewidth=1.4)
        panel.plot([0, 1], [0, 1], ":", color="grey", linewidth=0.8)
        panel.axvline(0.1, color="grey", linewidth=0.8)
        panel.axhline(0.6, color="grey", linewidth=0.8)
        panel.set(
            title=f"{name}: other judged positives of verified queries",
            xlabel="alarms on unjudged documents at rank 50 to 100",
            ylabel="recall",
            xlim=(0, 0.6),
            ylim=(0, 1),
        )
        panel.legend(
            fontsize=7,
            loc="upper left",
            bbox_to_anchor=(1.01, 1),
            title="recall at 10 % alarms",
            title_fontsize=7,
        )
    figure.tight_layout()
    figure.savefig(file, dpi=110)
