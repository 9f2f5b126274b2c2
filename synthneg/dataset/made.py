"""What a card says of how a dataset was made: prompts in full, models, sampling, and how to make it again."""

from collections import Counter
from collections.abc import Iterable, Mapping

from synthneg.config import RunConfig
from synthneg.dataset.markdown import code, fenced, folded, plain, table
from synthneg.dataset.names import model_name
from synthneg.dataset.prompts import Asked
from synthneg.dataset.told import Maker, Told
from synthneg.dataset.ways import FROM_DATASET
from synthneg.records import GIVEN, TITLE

_UNASKED = {GIVEN: "none: given", TITLE: "none: the passage's title"}


def made_sections(
    config: RunConfig, told: Told, asked: Asked, source: str, in_full: bool
) -> Iterable[str]:
    """Yield the parts of a card, headings included.

    Args:
        config: the run's settings.
        told: of what was exported.
        asked: the prompts.
        source: the dataset's name on the Hub, or what stands for it.
        in_full: whether the prompts' texts stand in the card; else they are linked to.
    """
    yield "## How it was made"
    made = f"Run `{config.run}` with seed {config.seed}"
    if told.way == FROM_DATASET:
        yield f"{made}, of a dataset in the format `{config.corpus.path.partition(':')[0]}`."
    else:
        yield (
            f"{made}; every text is traced to the prompt file (`name@hash`), the model and the seed that made it; a"
            " seed follows from the run's and from what it is drawn for. Scores are cosines of"
            f" {code(model_name(config.verify.encoder))}."
        )
    yield table(
        ("makes", "prompt", "model", "sampling", "texts"),
        [*_makers("query", told.queries), *_makers("document", told.generated)],
    )
    if asked.files:
        yield from _prompts(asked, in_full)
    yield "### Make it again"
    yield _again(config, source)


def _prompts(asked: Asked, in_full: bool) -> Iterable[str]:
    yield "### Prompts"
    if in_full:
        yield "In full, as they were asked; each is a file of this dataset, too."
        for file in asked.files:
            yield folded(file.tag, fenced(file.source, "jinja"))
    else:
        yield "They are too long for this page. Each is a file of this dataset."
        yield "\n".join(f"- [{code(file.tag)}]({file.path})" for file in asked.files)


def _again(config: RunConfig, source: str) -> str:
    rounds = f" --round {config.rounds.number}" if config.rounds.number > 1 else ""
    command = f"synthneg init again --from {source}\nsynthneg run again/synthneg.yaml{rounds}"
    return (
        f"{fenced(command, 'sh')}\n\n`synthneg.yaml` holds the settings, without what was of one machine alone: paths"
        " and addresses are to be filled in. With the same documents, models and replies, the files come out the same"
        " byte for byte; a language model that is asked anew may write other texts."
    )


def _makers(makes: str, makers: Mapping[Maker, int]) -> list[tuple[object, ...]]:
    counts: Counter[tuple[str, str, str]] = Counter()
    for (prompt, model, sampling), count in makers.items():
        named = code(prompt), plain(model_name(model)), code(sampling)
        counts[(_UNASKED[prompt], "none", "none") if prompt in _UNASKED else named] += count
    return [(makes, *maker, count) for maker, count in sorted(counts.items())]
