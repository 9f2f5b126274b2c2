"""The settings of a run: one frozen model per stage, the only place with defaults, bounds and units.

`synthneg.settings` reads them from a file.
"""

from typing import Self

import yaml
from pydantic import Field, model_validator

from synthneg.config.base import FILL_IN as FILL_IN
from synthneg.config.base import Name
from synthneg.config.base import Section as Section
from synthneg.config.compare import ArmConfig as ArmConfig
from synthneg.config.compare import CompareConfig as CompareConfig
from synthneg.config.corpus import CorpusConfig as CorpusConfig
from synthneg.config.encoding import EncodingConfig as EncodingConfig
from synthneg.config.generate import DocumentsConfig as DocumentsConfig
from synthneg.config.generate import GenerateConfig as GenerateConfig
from synthneg.config.generate import NegativesConfig as NegativesConfig
from synthneg.config.generate import PassagesConfig as PassagesConfig
from synthneg.config.generate import QueriesConfig as QueriesConfig
from synthneg.config.generate import ReplaceConfig as ReplaceConfig
from synthneg.config.llm import BatchConfig as BatchConfig
from synthneg.config.llm import BudgetConfig as BudgetConfig
from synthneg.config.llm import LLMConfig as LLMConfig
from synthneg.config.llm import PriceConfig as PriceConfig
from synthneg.config.losses import GuideConfig as GuideConfig
from synthneg.config.losses import InfoNCEConfig as InfoNCEConfig
from synthneg.config.losses import ListsConfig as ListsConfig
from synthneg.config.losses import MatryoshkaConfig as MatryoshkaConfig
from synthneg.config.mine import MineConfig as MineConfig
from synthneg.config.ray import RayConfig as RayConfig
from synthneg.config.rounds import RoundsConfig as RoundsConfig
from synthneg.config.sampling import MixConfig as MixConfig
from synthneg.config.sampling import SamplingConfig as SamplingConfig
from synthneg.config.shapes import Shape as Shape
from synthneg.config.students import LoraConfig as LoraConfig
from synthneg.config.students import RerankConfig as RerankConfig
from synthneg.config.students import SparseConfig as SparseConfig
from synthneg.config.use import EvaluateConfig as EvaluateConfig
from synthneg.config.use import ExportConfig as ExportConfig
from synthneg.config.use import PublishConfig as PublishConfig
from synthneg.config.use import TrainConfig as TrainConfig
from synthneg.config.verify import ContentChecks as ContentChecks
from synthneg.config.verify import DocumentChecks as DocumentChecks
from synthneg.config.verify import DuplicateChecks as DuplicateChecks
from synthneg.config.verify import LeakChecks as LeakChecks
from synthneg.config.verify import ProbeChecks as ProbeChecks
from synthneg.config.verify import QueryChecks as QueryChecks
from synthneg.config.verify import VerifyConfig as VerifyConfig


class RunConfig(Section):
    """All settings of one run."""

    run: Name = Field(description="the run's name and folder")
    seed: int = Field(
        default=7, ge=0, lt=2**31, description="everything that is drawn at random depends on it"
    )
    corpus: CorpusConfig
    llm: LLMConfig = LLMConfig()
    generate: GenerateConfig = GenerateConfig()
    mine: MineConfig = MineConfig()
    verify: VerifyConfig = VerifyConfig()
    export: ExportConfig = ExportConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    rounds: RoundsConfig = RoundsConfig()
    publish: PublishConfig = PublishConfig()
    ray: RayConfig = RayConfig()

    @model_validator(mode="after")
    def _reranked_by_one(self) -> Self:
        """Refuse negatives of a reranker that nobody names."""
        if self.mine.reranked and self.verify.reranker is None:
            raise ValueError(
                "mine.reranked needs a reranker, and verify.reranker names none; set it to a cross-encoder's folder or"
                " Hub name"
            )
        return self

    @model_validator(mode="after")
    def _budget_has_passages(self) -> Self:
        """Refuse to choose passages by a budget where a dataset brought its queries."""
        if self.corpus.dataset is not None and self.llm.budget != BudgetConfig():
            raise ValueError(
                f"llm.budget makes a run of fewer passages, and {self.corpus.path} is taken whole; leave it out"
            )
        return self

    @model_validator(mode="after")
    def _titles_of_a_corpus(self) -> Self:
        """Refuse titles as queries where the queries are there, or come with what is written for them."""
        corpus = self.corpus
        if self.generate.queries.titles and (corpus.dataset is not None or corpus.is_written):
            raise ValueError(
                f"generate.queries.titles makes queries of a corpus' titles, and {corpus.path} has its queries; leave"
                " it out"
            )
        return self

    @model_validator(mode="after")
    def _probabilities_are_asked_for(self) -> Self:
        """Refuse a bound on what nobody is asked."""
        if self.verify.queries.min_logprob is not None and not self.generate.queries.logprobs:
            raise ValueError(
                "verify.queries.min_logprob needs the probabilities of the queries; set generate.queries.logprobs to"
                " true, which asks for them anew"
            )
        return self


def dump(config: RunConfig) -> str:
    """Return the settings as YAML, defaults filled in. They hold no secret: keys are named, not kept."""
    text: str = yaml.safe_dump(
        config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=1000
    )
    return text
