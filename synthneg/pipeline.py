"""A whole run: the stages in order, each a function of the run's folder.

What the stages after generation need is imported by their functions, so that `synthneg generate` asks at once.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from synthneg.config import RunConfig
from synthneg.errors import RunError
from synthneg.finished import finish, finished_with, inputs_of
from synthneg.generate.afford import ask_within_budget, project_run
from synthneg.generate.documents import write_documents
from synthneg.generate.negatives import write_negatives
from synthneg.generate.queries import write_queries
from synthneg.generate.standing import ask_unless_it_stands
from synthneg.preflight import HELD_OUT, check_settings, up_to
from synthneg.progress import say
from synthneg.records import Example, Passage
from synthneg.rounds.earlier import check_earlier, take_vectors
from synthneg.run import Run
from synthneg.run.books import STAGES
from synthneg.stages import (
    choose_passages,
    compare_documents,
    compare_queries,
    declared_sets,
    first_stage,
    leak_inputs,
    mine_negatives,
    mine_passages,
    mine_where_missing,
    must_keep,
    open_encoder,
    open_reranker,
    read_corpus,
    read_labelled,
)

if TYPE_CHECKING:
    from synthneg.evaluate.collection import Collection
    from synthneg.evaluate.compare import Evaluation
    from synthneg.generate.projection import Projection


def build(run: Run, until: str = STAGES[-1]) -> bool:
    """Run the stages up to and with `until`; return False where the run was finished before and nothing was to be done.

    Raises:
        SynthnegError: the settings do not pass `check_settings`, or a stage meets what it cannot put right.
    """
    check_settings(run.config, until)
    check_earlier(run)
    inputs = inputs_of(run.config, run.earlier)
    if finished_with(run) == inputs:
        return False
    run.unfinish()
    take_vectors(run)
    for stage in up_to(until):
        _STEPS[stage](run)
    if until == STAGES[-1]:
        finish(run, inputs)
    return True


def read_documents(run: Run) -> None:
    """Write passages.jsonl; of a dataset that has queries and labels of its own, all that it brings."""
    if run.config.corpus.dataset is None:
        read_corpus(run)
        return
    from synthneg.intake.take import take_in  # noqa: PLC0415 - as above

    take_in(run)
    must_keep(run, "generate.queries", "queries")


def generate_queries(run: Run) -> None:
    """Write queries.jsonl by asking the language model, and before that what is chosen with vectors."""
    if run.config.corpus.dataset is not None:
        run.need("generate.queries")  # they came with the dataset, and so did their documents
        return
    choose_passages(run)
    ask_unless_it_stands(run, "generate.queries", "queries.jsonl", write_queries)
    must_keep(run, "generate.queries", "queries")


def check_queries(run: Run) -> None:
    """Write verified_queries.jsonl: the queries that pass their checks."""
    from synthneg.verify.queries import verify_queries  # noqa: PLC0415 - as above

    encoder = open_encoder(run)
    compare_queries(run, encoder)
    verify_queries(run, encoder, open_reranker(run))
    must_keep(run, "verify.queries", "queries")
    mine_passages(run, lambda: encoder)


def generate_documents(run: Run) -> None:
    """Write the graded documents of verified queries."""
    if run.config.corpus.dataset is not None:
        run.need("generate.documents")
        return
    ask_unless_it_stands(run, "generate.documents", "documents.jsonl", write_documents)


def generate_negatives(run: Run) -> None:
    """Write the hard negatives of verified queries."""
    mine_passages(run, lambda: open_encoder(run))
    ask_unless_it_stands(run, "generate.negatives", "documents.jsonl", write_negatives)


def judge_negatives(run: Run) -> None:
    """Let the language model judge the negatives of which the encoder is in doubt, where the settings name a judge."""
    from synthneg.verify.asked import forget_judgements, write_judgements  # noqa: PLC0415 - as above
    from synthneg.verify.measure import measure_documents  # noqa: PLC0415 - as above

    if run.config.verify.judge is None:
        forget_judgements(run)
        return
    run.need("generate.negatives")
    mine_where_missing(run)
    measure_documents(run, open_encoder(run), open_reranker(run))
    ask_within_budget(run, write_judgements)


def check_documents(run: Run) -> None:
    """Write examples.jsonl: verified queries with the documents that pass their checks; what is not mined yet is."""
    from synthneg.verify.documents import verify_documents  # noqa: PLC0415 - as above
    from synthneg.verify.gate import write_leaks  # noqa: PLC0415 - as above

    run.need("generate.negatives")
    mine_where_missing(run)
    encoder = open_encoder(run)
    compare_documents(run, encoder)
    verify_documents(run, encoder, open_reranker(run))
    write_leaks(run, list(declared_sets(run.config)), leak_inputs(run.config))


def export_dataset(run: Run) -> None:
    """Write dataset/: the examples as a dataset, with its card."""
    from synthneg.dataset.export import export  # noqa: PLC0415 - as above
    from synthneg.verify.probed import write_probes  # noqa: PLC0415 - as above

    run.need("verify.documents")
    write_probes(run)
    export(run)


def train_model(run: Run) -> None:
    """Train the retriever on the examples and write it to model/."""
    from synthneg.train.fit import train  # noqa: PLC0415 - as above
    from synthneg.verify.gate import refuse_leaks  # noqa: PLC0415 - as above

    run.need("verify.documents")
    refuse_leaks(run, list(declared_sets(run.config)), leak_inputs(run.config))
    train(run, read_labelled(run, open_encoder(run)))


def evaluate_model(run: Run) -> "list[Evaluation]":
    """Measure base and tuned model on the collections of the settings and on the held-out synthetic queries."""
    from synthneg.evaluate.collection import read_collection  # noqa: PLC0415 - as above
    from synthneg.evaluate.compare import evaluate  # noqa: PLC0415 - as above
    from synthneg.evaluate.stored import write  # noqa: PLC0415 - as above

    config = run.config.evaluate
    if not (run.has("model") and run.is_done("train")):
        raise RunError(
            f"{run.folder}: there is no model trained on these examples; run `synthneg train`, or `synthneg run`"
        )
    collections = [read_collection(Path(c), config.split) for c in config.collections]
    synthetic = held_out(run)
    if synthetic is not None:
        collections.append(synthetic)
    run.unfinish()
    if not collections:
        shutil.rmtree(run.file("evaluation"), ignore_errors=True)
        say("evaluate: no collection in the settings and no held-out query; nothing is measured")
        return []
    models, tuned = {"base": run.config.train.base_model}, {"tuned": str(run.file("model"))}
    before = {} if run.earlier is None else {_of_round(run): str(run.earlier / "model")}
    evaluations = evaluate(
        models | before | tuned,
        collections,
        beside=[("tuned", name) for name in before],
        measures=config.measures,
        seed=run.config.seed,
        resamples=config.resamples,
        bm25=config.bm25,
        batch_size=run.config.verify.encode_batch,
        max_length=run.config.train.max_length,
        vectors=run.vectors,
        rerank=first_stage(run.config),
    )
    shutil.rmtree(run.file("evaluation"), ignore_errors=True)
    for evaluation in evaluations:
        write(evaluation, run.file("evaluation"))
    return evaluations


def _of_round(run: Run) -> str:
    """Return what the model of the round before is called beside `tuned`."""
    return f"round-{run.config.rounds.number - 1}"


def next_round(run: Run) -> RunConfig:
    """Finish a round, and return the settings of the one after it.

    Raises:
        SynthnegError: as `build` does, or the tuned model fails no query.
    """
    from synthneg.rounds.further import further  # noqa: PLC0415 - as above

    build(run)
    return further(run)


_STEPS: dict[str, Callable[[Run], object]] = {
    "corpus": read_documents,
    "generate.queries": generate_queries,
    "verify.queries": check_queries,
    "generate.documents": generate_documents,
    "generate.negatives": generate_negatives,
    "mine": mine_negatives,
    "verify.judge": judge_negatives,
    "verify.documents": check_documents,
    "export": export_dataset,
    "train": train_model,
    "evaluate": evaluate_model,
}


def plan(run: Run, count: int) -> "Projection":
    """Return what the run will use, from a pilot of `count` passages; its replies count for the run.

    Of passages that are to be written, no more are written than the pilot needs.

    Raises:
        SynthnegError: the corpus or the prompts cannot be read, or the model cannot be asked.
    """
    if not run.config.corpus.is_written:
        read_corpus(run)
        choose_passages(run)
    return project_run(run, count)


def held_out(run: Run) -> "Collection | None":
    """Return the verified queries of held-out passages, to be found among all passages; None where there are none."""
    from synthneg.evaluate.collection import Collection  # noqa: PLC0415 - as above

    examples = [e for e in run.read("examples.jsonl", Example) if e.split == "held_out"]
    if not examples:
        return None
    # Of the passages is also what was mined as a negative and then found to answer.
    qrels = {e.query_id: {d.id: 1 for d in e.positives} for e in examples}
    return Collection.of_records(
        HELD_OUT,
        run.read("passages.jsonl", Passage),
        {e.query_id: e.query for e in examples},
        qrels,
    )
