"""What a whole run and a trial of a prompt both begin with: the corpus, read once, and the encoder.

They stand above the stages that they join, and below whoever walks through them.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from synthneg import __version__
from synthneg.config import QueriesConfig, RerankConfig, RunConfig
from synthneg.corpus.check import check
from synthneg.corpus.read import read
from synthneg.errors import RunError, SettingsError
from synthneg.files import fingerprint, states
from synthneg.generate.afford import ask_within_budget
from synthneg.generate.asking import release
from synthneg.generate.beside import needed
from synthneg.generate.jobs import all_prompts
from synthneg.generate.passages import write_passages
from synthneg.mine.near import write_mined, write_related
from synthneg.mine.negatives import write_mined_negatives
from synthneg.progress import say, track
from synthneg.records import Example, Reject
from synthneg.run import Run
from synthneg.scoring.choice import write_chosen
from synthneg.scoring.lazy import LazyEncoder, LazyReranker, state_of

if TYPE_CHECKING:
    from synthneg.mine.arms import Mixture
    from synthneg.scoring.base import Reranker
    from synthneg.scoring.encoder import Encoder
    from synthneg.verify.alike import EvaluationSet


def read_corpus(run: Run) -> None:
    """Write passages.jsonl: what of the user's documents can be used, or what the model writes, and the rejects.

    Where neither the documents nor what decides over them have changed since, the file stands and nothing is read; nor
    is anything asked, unless a passage failed.
    """
    inputs = _corpus_inputs(run.config)
    if inputs is None or not run.stands("corpus", "passages.jsonl", inputs):
        if run.config.corpus.is_written:
            _ask_for_passages(run)
        else:
            _read_passages(run)
        if inputs is not None and not run.books()["corpus"]["failed"]:
            run.mark_made("corpus", "passages.jsonl", inputs)
    must_keep(run, "corpus", "passages")


def _ask_for_passages(run: Run) -> None:
    if run.config.generate.queries != QueriesConfig():
        say(
            "corpus: generate.queries is not used: the queries are "
            + ("those of the file" if run.config.corpus.queries else "written with their passages")
        )
    ask_within_budget(run, write_passages)


def _read_passages(run: Run) -> None:
    config = run.config.corpus
    with run.stage("corpus", "passages.jsonl") as stage:
        for outcome in track(check(read(config), config, run.config.seed), "corpus", "passages"):
            stage.take()
            if isinstance(outcome, Reject):
                stage.reject(outcome.id, outcome.reason, outcome.detail)
            else:
                stage.keep(outcome)


def open_encoder(run: Run) -> "Encoder":
    """Return the run's encoder, with the cache of its vectors.

    It is loaded when it has something to encode, and what is open for asking is let go before.
    """
    config = run.config.verify

    def load() -> "Encoder":
        release(run)
        if run.engine == "ray":
            from synthneg.cluster.scoring import open_cluster_encoder  # noqa: PLC0415 - an extra

            return open_cluster_encoder(run)
        from synthneg.scoring.encoder import load_encoder  # noqa: PLC0415 - torch is heavy

        return load_encoder(
            config.encoder,
            batch_size=config.encode_batch,
            vectors=run.vectors,
            encoding=config.encoding,
            processes=config.encode_processes,
        )

    return LazyEncoder(config.encoder, load)


def open_reranker(run: Run) -> "Reranker | None":
    """Return the run's reranker, with the cache of its scores; likewise, and None where the settings name none."""
    config = run.config.verify
    name = config.reranker
    if name is None:
        return None

    def load() -> "Reranker":
        release(run)
        if run.engine == "ray":
            from synthneg.cluster.scoring import open_cluster_reranker  # noqa: PLC0415 - an extra

            return open_cluster_reranker(run, name)
        from synthneg.scoring.reranker import load_reranker  # noqa: PLC0415 - torch is heavy

        return load_reranker(name, batch_size=config.encode_batch, scores=run.vectors)

    return LazyReranker(name, load)


def choose_passages(run: Run) -> None:
    """Write chosen.jsonl and related.jsonl, where the settings ask for them."""
    if run.config.corpus.sample == "cluster":
        write_chosen(run, lambda: open_encoder(run), _model(run.config))
    if needed("related", all_prompts(run.config)):
        write_related(run, lambda: open_encoder(run), _model(run.config))


def declared_sets(config: RunConfig) -> dict[str, tuple[Path, str]]:
    """Return folder and split of each evaluation set that nothing may leak from, by the name that it is told under.

    Raises:
        SettingsError: two sets have one name, so that nobody could tell which is meant.
    """
    split = config.evaluate.split
    places = [(Path(folder), split) for folder in config.evaluate.collections]
    for text in config.verify.leaks.collections:
        folder, colon, other = text.rpartition(":")
        named = bool(colon) and not Path(text).exists()
        places.append((Path(folder), other) if named else (Path(text), split))
    sets: dict[str, tuple[Path, str]] = {}
    for place in dict.fromkeys(places):
        name = f"{place[0].resolve().name}/{place[1]}"
        if name in sets:
            raise SettingsError(
                f"verify.leaks.collections: expected evaluation sets that differ in name, but {sets[name][0]} and"
                f" {place[0]} are both {name}; rename a folder"
            )
        sets[name] = place
    return sets


def leak_inputs(config: RunConfig) -> str:
    """Return a fingerprint of the evaluation sets and of what the settings call a leak."""
    return fingerprint(_sets(config), config.verify.leaks.model_dump(mode="json"))


def compare_queries(run: Run, encoder: "Encoder") -> None:
    """Write what queries are like: other ones of the set, and what the evaluation sets hold."""
    from synthneg.verify import alike  # noqa: PLC0415 - numpy is heavy

    alike.compare_queries(run, encoder, lambda: _read_sets(run.config), _compared(run.config))


def compare_documents(run: Run, encoder: "Encoder") -> None:
    """Write what written documents are like: those of other queries, and what the evaluation sets hold."""
    from synthneg.verify import alike  # noqa: PLC0415 - numpy is heavy

    alike.compare_documents(run, encoder, lambda: _read_sets(run.config), _compared(run.config))


def _compared(config: RunConfig) -> str:
    return fingerprint(_sets(config), _model(config))


def _sets(config: RunConfig) -> list[tuple[str, object]]:
    sets = declared_sets(config)
    return [(name, states(str(folder))) for name, (folder, _) in sets.items()]


def _read_sets(config: RunConfig) -> "list[EvaluationSet]":
    from synthneg.evaluate.collection import read_judged  # noqa: PLC0415 - not needed for asking
    from synthneg.verify.alike import EvaluationSet  # noqa: PLC0415 - as above

    sets = declared_sets(config)
    return [EvaluationSet(name, *read_judged(*place)) for name, place in sets.items()]


def check_labelled(config: RunConfig) -> None:
    """Refuse labelled data that are not there, or that models are measured on.

    Raises:
        CollectionError: the folder is missing or broken.
        SettingsError: it is an evaluation set.
    """
    from synthneg.evaluate.collection import check_collection  # noqa: PLC0415 - as above

    mix = config.train.mix
    if mix.collection is None:
        return
    folder = Path(mix.collection)
    check_collection(folder, mix.split)
    for name, (other, split) in declared_sets(config).items():
        if (other.resolve(), split) == (folder.resolve(), mix.split):
            raise SettingsError(
                f"train.mix: {name} is an evaluation set of this run, so it is not trained on; name another split"
            )


def read_labelled(run: Run, encoder: "Encoder") -> list[Example]:
    """Return the judged queries of `train.mix` as examples, without those that an evaluation set holds.

    Raises:
        SynthnegError: as `check_labelled` says, or there are leaks that are to be reported.
    """
    from synthneg.evaluate.collection import read_collection  # noqa: PLC0415 - as above
    from synthneg.train.labelled import labelled_examples  # noqa: PLC0415 - as above
    from synthneg.verify.gate import refuse_labelled  # noqa: PLC0415 - as above

    mix = run.config.train.mix
    if mix.collection is None:
        return []
    check_labelled(run.config)
    found = read_collection(Path(mix.collection), mix.split)
    leaking = refuse_labelled(run, found.queries, _read_sets(run.config), encoder)
    queries = {id: text for id, text in found.queries.items() if id not in leaking}
    documents = dict(zip(found.document_ids, found.document_texts, strict=True))
    examples = list(labelled_examples(found.name, queries, found.qrels, documents))
    say(f"train: {len(examples)} labelled queries of {found.name}/{mix.split} are mixed in")
    return examples


def mine_passages(run: Run, encoder: "Callable[[], Encoder]") -> None:
    """Write mined.jsonl, where a prompt asks for it."""
    if needed("mined", all_prompts(run.config)):
        write_mined(run, encoder, _model(run.config))


def mine_negatives(run: Run) -> None:
    """Write the mined negatives of verified queries."""
    write_mined_negatives(run, open_encoder(run), open_reranker(run))


def mine_where_missing(run: Run) -> None:
    """Mine as above, unless that has been done; for whoever verifies stage by stage."""
    if "mine" not in run.books():
        mine_negatives(run)


def write_arms(run: Run, arms: "Mapping[str, Mixture]", per_query: int, folder: Path) -> list[str]:
    """Write a dataset for each arm into `folder`, whole or not at all, and return what is in it as lines of text.

    Raises:
        SynthnegError: `folder` holds something else, a stage has not run, or no query has enough negatives.
    """
    from synthneg.dataset.arms import check_place, write  # noqa: PLC0415 - needed by arms alone
    from synthneg.mine.arms import mine_arms  # noqa: PLC0415 - as above

    check_place(folder)
    found = mine_arms(run, arms, open_encoder(run), open_reranker(run))
    counts = f"{found.queries} queries, {found.kept} with {per_query} negatives in every arm"
    short = ", ".join(f"{name} {n}" for name, n in found.left_out.items()) or "none"
    if not found.kept:
        raise RunError(f"{run.folder}: {counts} (too few, by arm: {short}); lower --per-query")
    about = {"run": run.config.run, "seed": run.config.seed, "per_query": per_query}
    books = {"in": found.queries, "kept": found.kept, "too_few": dict(found.left_out)}
    write(folder, found.examples, per_query, about | {"queries": books})
    return [f"{counts}; too few, by arm: {short}", *(f"  {folder / name}" for name in arms)]


def _model(config: RunConfig) -> str:
    return fingerprint(*state_of(config.verify.encoder, config.verify.encoding))


def must_keep(run: Run, stage: str, what: str) -> None:
    """Raise RunError, with the reasons counted, where a stage has kept nothing: all that follows would be empty."""
    counts = run.books()[stage]
    if not counts["kept"]:
        reasons = counts["rejected"] | counts["failed"]
        counted = ", ".join(
            f"{reason} {n}" for reason, n in sorted(reasons.items(), key=lambda r: -r[1])
        )
        raise RunError(
            f"{run.folder}: {stage} kept none of {counts['in']} {what} ({counted or 'nothing came in'});"
            " rejects.jsonl says why of each"
        )


def _corpus_inputs(config: RunConfig) -> str | None:
    """Return a fingerprint of all that passages are made of; None where nothing here tells whether that has changed.

    So it is with docstrings of packages and datasets on the Hub.
    """
    if config.corpus.is_written:
        settings = config.model_dump(mode="json", include={"seed", "corpus", "llm", "generate"})
        bounds = config.verify.queries.min_words
        tags = [prompt.tag for prompt in all_prompts(config)]
        found = states(config.corpus.queries) if config.corpus.queries else []
        return fingerprint(__version__, settings, bounds, tags, found)
    if not Path(config.corpus.path).exists():
        return None
    shaping = config.corpus.model_dump(mode="json", exclude={"limit", "sample", "clusters"})
    return fingerprint(__version__, shaping, config.seed, states(config.corpus.path))


def first_stage(config: RunConfig) -> RerankConfig:
    """Return what a cross-encoder reranks, `encoder` by its name."""
    rerank = config.evaluate.rerank
    if rerank.first_stage != "encoder":
        return rerank
    return rerank.model_copy(update={"first_stage": config.verify.encoder})
