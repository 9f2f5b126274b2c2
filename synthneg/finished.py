"""Whether a whole run is complete: what it is made of, and the mark that it was finished with that."""

import platform
import time
from pathlib import Path

import orjson

from synthneg import __version__
from synthneg.config import RunConfig
from synthneg.files import fingerprint, states, write_whole
from synthneg.generate.afford import recall
from synthneg.generate.jobs import all_prompts
from synthneg.llm.budget import cost_usd
from synthneg.llm.ledger import Ledger
from synthneg.rounds.earlier import HANDED_ON
from synthneg.run import Run
from synthneg.stages import declared_sets

_PACKAGES = ("datasets", "huggingface-hub", "sentence-transformers", "torch", "transformers")


def inputs_of(config: RunConfig, earlier: Path | None) -> str:
    """Return a fingerprint of all that a run is made of: settings, prompts, the files they name, this version.

    Of a further round also what the one before, whose folder is `earlier`, hands on.
    """
    from synthneg.scoring.encoder import find_model  # noqa: PLC0415 - torch is heavy

    names = (config.verify.encoder, config.verify.reranker, *config.train.models)
    models = [find_model(name) for name in names if name is not None]
    path = config.corpus.queries or config.corpus.path
    named = (path, config.llm.model, *models, *config.evaluate.collections)
    named += (config.train.mix.collection,)
    named += tuple(str(folder) for folder, _ in declared_sets(config).values())
    found = states(*(path for path in dict.fromkeys(named) if path is not None))
    tags = [prompt.tag for prompt in all_prompts(config)]
    before = [] if earlier is None else [earlier / name for name in HANDED_ON]
    settings = config.model_dump(mode="json", exclude={"ray"})  # where a run is made shapes nothing
    return fingerprint(__version__, settings, tags, found, *before)


def finished_with(run: Run) -> str | None:
    """Return the fingerprint of what the finished run was made of; None where it is not, or has lost what it made."""
    if not all(map(run.has, ("run.json", "dataset", "model"))):
        return None
    return str(orjson.loads(run.file("run.json").read_bytes())["inputs"])


def finish(run: Run, inputs: str) -> None:
    """Write run.json, the mark that the run is complete."""
    from importlib.metadata import version  # noqa: PLC0415 - takes a while

    ledger = Ledger(run.file("ledger.sqlite"))
    totals = ledger.totals()
    ledger.close()
    afforded = recall(run)
    facts = {
        "run": run.config.run,
        "seed": run.config.seed,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "stages": run.books(),
        "llm": {
            "requests": totals.replies,
            "from_ledger": run.from_ledger,
            "failed_tries": totals.failures,
            "tokens_in": totals.tokens_in,
            "tokens_out": totals.tokens_out,
            "usd": cost_usd(run.config.llm.price, totals.tokens_in, totals.tokens_out),
            "budget": afforded and afforded._asdict(),  # null: there was none
        },
        "versions": {"synthneg": __version__, "python": platform.python_version()}
        | {name: version(name) for name in _PACKAGES},
        "inputs": inputs,
    }
    write_whole(run.file("run.json"), orjson.dumps(facts, option=orjson.OPT_INDENT_2))
