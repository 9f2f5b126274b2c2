"""What a record is asked again with: another seed, lines that say what was wrong, and words made unlikely."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import orjson

from synthneg.generate.worn import Phrase, to_suppress
from synthneg.llm.ask import Job
from synthneg.prompts.render import Message, seed_of
from synthneg.prompts.shelf import part
from synthneg.seen import Seen

ASKED_AGAIN = "asked-again"
# A model does not follow a longer list.
MOST_LISTED = 8


@dataclass(frozen=True, slots=True)
class Hint:
    """What a record is asked to do otherwise."""

    other: str = ""  # a text that it must not be
    openings: tuple[str, ...] = ()  # words that it must not begin with
    phrases: tuple[str, ...] = ()  # that it must not use
    suppress: tuple[str, ...] = ()  # words whose tokens are made unlikely, where the backend can
    language: str = ""  # in which it must be, by name


class Hints(Seen):
    """The records of one round that are asked again, each with its hint; on disk, in memory that does not grow."""

    def put(self, id: str, hint: Hint) -> None:
        """Have the record `id` asked again; a second hint for it is not taken."""
        self.add(id, orjson.dumps(asdict(hint)).decode())

    def of(self, id: str) -> Hint | None:
        """Return the hint of a record; None for one that is not asked again."""
        known = self.name(id)
        if known is None:
            return None
        row = orjson.loads(known)
        lists = {key: tuple(row[key]) for key in ("openings", "phrases", "suppress")}
        return Hint(row["other"], language=row["language"], **lists)


def worn_hint(worn: Sequence[Phrase], other: str = "", language: str = "") -> Hint:
    """Return the hint that names the worn phrases, those first that stand first."""
    listed = worn[:MOST_LISTED]
    return Hint(
        other,
        tuple(phrase.text for phrase in listed if phrase.opens),
        tuple(phrase.text for phrase in listed if not phrase.opens),
        tuple(to_suppress(listed)),
        language,
    )


def asked_again(job: Job, hint: Hint, attempt: int, run_seed: int) -> Job:
    """Return the job that asks for the same record once more, the hint at the end of its last message.

    Args:
        job: the record's first job.
        hint: what is added.
        attempt: how often the record is asked for again, from 1.
        run_seed: seed of the run.
    """
    *before, last = job.messages
    # A text of the model is a value of the template: nothing in it is interpreted.
    lines = part(ASKED_AGAIN).render(asdict(hint)).strip()
    sampling = job.sampling | ({"suppress": list(hint.suppress)} if hint.suppress else {})
    return replace(
        job,
        messages=(*before, Message(last.role, f"{last.content}\n\n{lines}")),
        sampling=sampling,
        seed=seed_of(run_seed, job.id, job.tag, attempt),
        again=True,
    )
