"""Train each arm with each seed and measure it: an ordinary run's folder each, which any command takes for one."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from synthneg import __version__
from synthneg.compare.examples import Pool, arms_in_turn, examples_of, passages_of
from synthneg.compare.plan import Arm, Plan
from synthneg.evaluate.collection import Collection
from synthneg.evaluate.compare import summarise
from synthneg.evaluate.measure import PerQuery, bm25_rank, depth_for, measure
from synthneg.evaluate.rankers import BM25, Reading, open_ranker
from synthneg.evaluate.stored import write
from synthneg.files import fingerprint
from synthneg.progress import say
from synthneg.records import Example, Passage
from synthneg.run import Run
from synthneg.stages import first_stage, open_encoder, read_labelled
from synthneg.train.fit import train

BASE, TUNED = "base", "tuned"

Scores = dict[str, PerQuery]  # collection -> measure -> query


class References:
    """The rows beside the arms: each student before its training, and BM25; measured once, when asked for."""

    def __init__(self, plan: Plan, collections: Sequence[Collection], vectors: Path) -> None:
        """Take in where the vectors of untrained students are kept: with the run's own."""
        self._plan, self._collections, self._vectors = plan, collections, vectors
        self._found: dict[object, Scores] = {}

    def base(self, arm: Arm) -> Scores:
        """Return what the arm's student gets before it is trained."""
        name, max_length = arm.student
        if arm.student not in self._found:
            self._found[arm.student] = scores_of(
                self._plan, self._collections, name, max_length, self._vectors
            )
        return self._found[arm.student]

    def bm25(self) -> Scores:
        """Return what BM25 gets."""
        if BM25 not in self._found:
            measures = self._plan.config.evaluate.measures
            depth = depth_for(measures)
            self._found[BM25] = {
                c.name: measure(c, bm25_rank(c, depth), measures) for c in self._collections
            }
        return self._found[BM25]


def scores_of(
    plan: Plan, collections: Sequence[Collection], model: str, max_length: int, vectors: Path
) -> Scores:
    """Return what a model gets, query by query, with the vectors kept in this folder."""
    measures = plan.config.evaluate.measures
    depth = depth_for(measures)
    reading = Reading(plan.config.verify.encode_batch, max_length, vectors)
    rank = open_ranker(model, reading, first_stage(plan.config))
    return {c.name: measure(c, rank(c, depth), measures) for c in collections}


def train_all(
    plan: Plan,
    pool: Pool,
    passages: Sequence[Passage],
    folder: Path,
    collections: Sequence[Collection],
    vectors: Path,
) -> dict[str, list[Path]]:
    """Train and measure every arm with every seed, and return their folders by arm, in the order of the seeds.

    What was trained on these examples with these settings is not trained again, nor measured again on these
    collections; a training that was killed is taken up.

    Args:
        plan: what is trained.
        pool: of what.
        passages: the corpus of the run.
        folder: where the folders of the arms go.
        collections: what is measured on.
        vectors: folder of the vectors of models that are not trained here.

    Raises:
        ModelError: a training has diverged.
        SettingsError: an arm has no examples.
    """
    references = References(plan, collections, vectors)
    state = fingerprint(*map(_state, plan.collections))
    folders: dict[str, list[Path]] = {arm.name: [] for arm in plan.arms}
    for place, arm, turn, seed in arms_in_turn(plan):
        examples = examples_of(pool, arm, seed)
        config = arm.config.model_copy(update={"run": f"{arm.name}-seed-{seed}", "seed": seed})
        with closing(Run(folder, config)) as run:
            say(
                f"arm {place} of {len(plan.arms)} ({arm.name}), seed {turn} of {len(plan.seeds)}: {len(examples):,}"
                f" queries of {passages_of(examples):,} passages"
            )
            _write_inputs(run, examples, passages)
            # Of a tuned model they are its own, but those of documents that were frozen are known already.
            own = vectors if config.train.documents == "frozen" else run.vectors
            run.vectors = vectors  # a teacher's are those of the run
            train(run, read_labelled(run, open_encoder(run)))
            settings = config.evaluate.model_dump(mode="json", include={"measures", "resamples"})
            trained = run.file("parts") / "train.done"
            inputs = fingerprint(__version__, state, settings, arm.student, trained)
            if not _is_measured(run, inputs, collections):
                _measure(run, plan, arm, references, collections, own, inputs)
            folders[arm.name].append(run.folder)
    return folders


def _is_measured(run: Run, inputs: str, collections: Sequence[Collection]) -> bool:
    files = [run.file("evaluation") / f"{c.name}.json" for c in collections]
    return run.is_done("evaluate", inputs) and all(file.exists() for file in files)


def _measure(
    run: Run,
    plan: Plan,
    arm: Arm,
    references: References,
    collections: Sequence[Collection],
    vectors: Path,
    inputs: str,
) -> None:
    """Write the measures of a trained arm beside those of its base and BM25, as `synthneg evaluate` does of a run."""
    found = {
        BASE: references.base(arm),
        TUNED: scores_of(plan, collections, str(run.file("model")), arm.student[1], vectors),
        BM25: references.bm25(),
    }
    scores = [{model: of[c.name] for model, of in found.items()} for c in collections]
    evaluations = summarise(collections, scores, run.config.seed, plan.config.evaluate.resamples)
    # First the mark, which takes older measures away: where a kill leaves files out, they are missed at the next start.
    run.mark_done("evaluate", inputs)
    for evaluation in evaluations:
        write(evaluation, run.file("evaluation"))


def _state(place: tuple[Path, str]) -> str:
    folder, split = place
    files = (folder / "corpus.jsonl", folder / "queries.jsonl", folder / "qrels" / f"{split}.tsv")
    return fingerprint(*files)


def _write_inputs(run: Run, examples: Iterable[Example], passages: Iterable[Passage]) -> None:
    """Write what training reads, as the stages of a run do; what was made of the same bytes before stands."""
    for stage, file, records in (
        ("corpus", "passages.jsonl", passages),
        ("verify.documents", "examples.jsonl", examples),
    ):
        with run.stage(stage, file) as opened:
            for record in records:
                opened.take()
                opened.keep(record)
