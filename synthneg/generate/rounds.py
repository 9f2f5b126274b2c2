"""Rounds: what only the whole set of queries shows is put right by asking some of them again.

After the first walk over all jobs the queries are looked through: those that say what an earlier one said, those above
a worn phrase's share, and those in another language than their passage are asked again, with another seed and a line
that says what was wrong. The next round looks through what has come of it. Which records these are follows from the
queries and the run's seed, so neither concurrency nor a kill changes anything, and the ledger has what was asked.
Whatever a round brings nothing for stays as it was. Rounds cost requests, and are bounded.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, groupby
from typing import Self

from synthneg.generate.beside import Beside
from synthneg.generate.hints import Hint, Hints, worn_hint
from synthneg.generate.jobs import blocks_of_chosen
from synthneg.generate.query_jobs import AboutQuery, jobs_again, queries_of
from synthneg.generate.watch import Watch, faulty, job_id_of, worn_of
from synthneg.generate.worn import Phrase
from synthneg.llm.ask import Answer, Failure, Job
from synthneg.llm.jobs import Asks
from synthneg.progress import Progress
from synthneg.prompts.file import Prompt
from synthneg.records import Query
from synthneg.run import Run
from synthneg.run.books import Stage
from synthneg.scoring.language import NAMES, Language, Strange


class Rounds:
    """The rounds of one stage. Use it as a context.

    Args:
        run: whose queries these are.
        stage: where they are kept.
        prompts: that are asked.
        beside: gives a passage's related one.
    """

    def __init__(self, run: Run, stage: Stage, prompts: Sequence[Prompt], beside: Beside) -> None:
        settings = run.config.generate.queries
        self._run, self._stage, self._prompts, self._beside = run, stage, prompts, beside
        self._language = Language() if settings.language == "passage" else None
        self._most, self._share = settings.rounds, settings.worn_share
        self._lines = frozenset(p.tag for p in prompts if p.form == "lines")
        self._worn: dict[str, list[Phrase]] = {}  # by prompt, all that were worn in any round
        self._open = ExitStack()
        self._hints, self._watch = Hints(), Watch(self._share)

    def __enter__(self) -> Self:
        self._open.enter_context(self._hints)
        self._open.enter_context(self._watch)
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def keep_first(self, about: AboutQuery, job: Job, queries: Sequence[Query]) -> None:
        """Keep what a first reply holds; where all of it is in a wrong language, until it has been asked again."""
        right, strange = self._told_apart(about, job, queries)
        if strange and not right:
            wanted = str(job.draws.get("language", "")) or NAMES[strange[0][1].wanted]
            self._hints.put(job.id, Hint(language=wanted))
            for query in queries:
                self._stage.take()
                self._stage.keep(query)
        else:
            self._settle(right, strange)

    async def ask(self, asker: Asks) -> None:
        """Ask again, round by round, until nothing is at fault or the rounds are used up."""
        attempt = 0
        while self._find(attempt := attempt + 1):
            await self._round(asker, attempt)

    def _find(self, attempt: int) -> bool:
        """Give the records that are asked again in this round their hints; return whether there are any."""
        candidates = self._watch.candidates()
        if attempt <= self._most and (self._watch.repeats or candidates):
            seed, share = self._run.config.seed, self._share or 1
            worn = worn_of(self._settled(), candidates, share, seed) if candidates else {}
            for tag, found in worn.items():
                phrases = [one.phrase for one in found]
                earlier = self._worn.get(tag, [])
                self._worn[tag] = [*phrases, *(p for p in earlier if p not in phrases)]
            for fault in faulty(self._settled(), worn, seed, self._lines):
                self._hints.put(
                    fault.id, worn_hint(self._worn.get(fault.prompt, ()), fault.repeats)
                )
        return bool(self._hints)

    def _settled(self) -> Iterator[Query]:
        """Yield the queries that are not asked again for their language."""
        strange = len(self._hints) > 0
        for query in self._stage.written(Query):
            if not (strange and self._hints.name(job_id_of(query, self._lines)) is not None):
                yield query

    async def _round(self, asker: Asks, attempt: int) -> None:
        config, hints = self._run.config, self._hints
        self._hints, self._watch = Hints(), Watch(self._share)
        with ExitStack() as of_round:
            of_round.push(self._open.pop_all())
            self._open.enter_context(self._hints)
            self._open.enter_context(self._watch)
            before = of_round.enter_context(self._stage.revised(Query))
            progress = of_round.enter_context(Progress("asked again", len(hints), "queries"))
            asked = chain.from_iterable(
                jobs_again(config, self._prompts, block, self._beside, hints, attempt)
                for block in blocks_of_chosen(self._run)
            )
            records = groupby(before, key=lambda query: job_id_of(query, self._lines))
            async for about, job, outcome in asker.ask(asked, progress.advance):
                former = self._copy_up_to(job.id, records)
                self._settle_anew(about, job, outcome, former)
            self._copy_up_to(None, records)

    def _copy_up_to(
        self, id: str | None, records: Iterable[tuple[str, Iterator[Query]]]
    ) -> list[Query]:
        """Keep the queries of the records before `id` as they were, and return those of `id`."""
        for found, queries in records:
            if found == id:
                return list(queries)
            self._settle(list(queries), [])
        return []

    def _settle_anew(
        self, about: AboutQuery, job: Job, outcome: Answer | Failure, former: Sequence[Query]
    ) -> None:
        """Keep what a further reply brought, or the former queries where it is of no use."""
        new = queries_of(about, job, outcome) if isinstance(outcome, Answer) else []
        right, strange = self._told_apart(about, job, new)
        if not right:
            right, strange = self._told_apart(about, job, former)
        self._settle(right, strange)

    def _told_apart(
        self, about: AboutQuery, job: Job, queries: Sequence[Query]
    ) -> tuple[list[Query], list[tuple[Query, Strange]]]:
        """Return the queries that pass the guard of languages, and those that do not with what they are."""
        if self._language is None:
            return list(queries), []
        wanted = str(job.draws.get("language", ""))
        right: list[Query] = []
        wrong: list[tuple[Query, Strange]] = []
        for query in queries:
            strange = self._language.strange(query.text, about.passage.full_text, wanted)
            if strange is None:
                right.append(query)
            else:
                wrong.append((query, strange))
        return right, wrong

    def _settle(self, right: Sequence[Query], wrong: Sequence[tuple[Query, Strange]]) -> None:
        for query in right:
            self._stage.take()
            self._stage.keep(query)
            self._watch.note(query)
        for query, strange in wrong:
            self._stage.take()
            self._stage.reject(query.id, "language", strange.detail)
