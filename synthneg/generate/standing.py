"""A stage that asks is not walked again where all that its file is made of is as it was.

To walk over a million replies that are there takes minutes, and makes the same file. What the file was made of is
remembered in the ledger: whoever takes the replies away, to have them asked for anew, takes that away with them.
"""

from contextlib import closing

from synthneg import __version__
from synthneg.files import fingerprint
from synthneg.generate.afford import ask_within_budget
from synthneg.generate.asking import LEDGER, Writer
from synthneg.generate.hints import ASKED_AGAIN
from synthneg.generate.jobs import all_prompts
from synthneg.llm.ledger import Ledger
from synthneg.llm.open import named_backend
from synthneg.prompts.shelf import shipped_folder
from synthneg.run import Run
from synthneg.scoring.choice import FAILED

_STANDING = "standing"  # subject of these facts
_SECTIONS = {"seed", "corpus", "llm", "generate", "rounds"}  # of the settings
_PASSAGES = ("passages.jsonl", "chosen.jsonl")
_READ = {
    "generate.queries": (*_PASSAGES, "related.jsonl"),
    "generate.documents": (*_PASSAGES, "verified_queries.jsonl"),
    "generate.negatives": (*_PASSAGES, "verified_queries.jsonl", "mined.jsonl"),
}


def ask_unless_it_stands(run: Run, stage: str, file: str, write: Writer) -> None:
    """Let `write` make what `stage` adds to `file`, unless that stands; see `ask_within_budget`.

    It is made again where a record has failed, where a server is to say which model it has, and where a budget decides
    how many passages there are.
    """
    if _stands(run, stage, file):
        return
    ask_within_budget(run, write)
    if _is_known(run) and not run.books()[stage]["failed"]:
        with closing(Ledger(run.file(LEDGER))) as ledger:
            ledger.learn(_STANDING, stage, _made_of(run, stage, file))


def _stands(run: Run, stage: str, file: str) -> bool:
    if not (_is_known(run) and stage in run.books() and run.has(LEDGER)):
        return False
    if not run.part(file, stage).exists():
        return False
    with closing(Ledger(run.file(LEDGER), read_only=True)) as ledger:
        known = ledger.fact(_STANDING, stage)
    return known is not None and known == _made_of(run, stage, file)


def _is_known(run: Run) -> bool:
    """Whether the settings say which model is asked, and about which passages."""
    llm = run.config.llm
    names_model = llm.backend != "openai" or llm.model is not None
    return names_model and not llm.budget.model_dump(exclude_none=True)


def _made_of(run: Run, stage: str, file: str) -> str:
    """Return a fingerprint of what a stage has written, and of all that this was made of beside replies."""
    read = [path for name in _READ[stage] if (path := run.file(name)).exists()]
    if run.earlier is not None and (failed := run.earlier / FAILED).exists():
        read.append(failed)
    prompts = all_prompts(run.config)
    return fingerprint(
        __version__,
        run.config.model_dump(mode="json", include=_SECTIONS),
        named_backend(run.config.llm)[1] if prompts else "",  # who asks nothing needs no model
        [prompt.tag for prompt in prompts],
        shipped_folder() / f"{ASKED_AGAIN}.jinja",
        *read,
        run.part(file, stage),
    )
