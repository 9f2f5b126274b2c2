"""The settings of the language model."""

import re
from typing import Any, Literal

from pydantic import Field, field_validator

from synthneg.config.base import Section, Variable

_SECRET = re.compile(r"token$|secret|password|api_key", re.IGNORECASE)


class PriceConfig(Section):
    """What the server charges, in USD per million tokens; a price that is not given is not known, and not 0."""

    input: float | None = Field(default=None, ge=0, description="of prompts")
    output: float | None = Field(default=None, ge=0, description="of replies")


class BudgetConfig(Section):
    """What a run may use, over all its starts; when one is used up, nothing more is asked for and the rest is made."""

    usd: float | None = Field(default=None, gt=0, description="needs llm.price")
    tokens: int | None = Field(default=None, ge=1, description="of prompts and replies together")
    requests: int | None = Field(default=None, ge=1, description="replies asked for and tries")
    minutes: float | None = Field(
        default=None, gt=0, description="of asking; counted anew at each start"
    )


class BatchConfig(Section):
    """How `llm.mode: batch` asks."""

    requests: int = Field(default=10_000, ge=1, le=50_000, description="most requests of one batch")
    poll_s: float = Field(
        default=30.0, gt=0, description="seconds between two looks at a batch's state"
    )


class LLMConfig(Section):
    """The language model that writes."""

    backend: Literal["local", "openai", "vllm"] = Field(
        default="local",
        description="local: llama.cpp in this process; openai: any OpenAI-compatible server; vllm: vLLM in "
        "this process",
    )
    model: str | None = Field(
        default=None,
        description="local: a GGUF file (default: SmolLM2-135M-Instruct); openai: the server's "
        "name for it; vllm: a folder of weights or a Hub name",
    )
    mode: Literal["live", "batch"] = Field(
        default="live",
        description="batch: the Batch API of backend openai, cheaper and slower",
    )
    base_url: str | None = Field(
        default=None, description="openai: address of the server, up to /v1"
    )
    api_key_env: Variable = Field(
        default="OPENAI_API_KEY",
        description="environment variable that holds the key; the key itself is never written "
        "anywhere",
    )
    concurrency: int = Field(
        default=16,
        ge=1,
        le=4096,
        description="most requests in flight; fewer while the server refuses some or only queues them",
    )
    requests_per_minute: int | None = Field(default=None, ge=1, description="the server's limit")
    input_tokens_per_minute: int | None = Field(default=None, ge=1, description="as above")
    output_tokens_per_minute: int | None = Field(default=None, ge=1, description="as above")
    timeout_s: float = Field(
        default=300.0, gt=0, description="longest wait for one reply, in seconds"
    )
    retries: int = Field(
        default=5, ge=0, le=20, description="further tries after 429, 5xx and broken connections"
    )
    reasks: int = Field(
        default=2,
        ge=0,
        le=10,
        description="further askings, with other seeds, when a reply does not parse",
    )
    context_tokens: int = Field(
        default=2048, ge=256, description="local: context of one request, in tokens"
    )
    threads: int = Field(default=0, ge=0, description="local: CPU threads; 0: one per core")
    engine: dict[str, Any] = Field(
        default={},
        description="vllm: arguments of its engine, such as tensor_parallel_size or gpu_memory_utilization",
    )
    price: PriceConfig = PriceConfig()
    budget: BudgetConfig = BudgetConfig()
    batch: BatchConfig = BatchConfig()

    @field_validator("engine")
    @classmethod
    def _without_secrets(cls, engine: dict[str, Any]) -> dict[str, Any]:
        """Refuse what must not be written down with the settings."""
        for name, value in engine.items():
            if isinstance(value, str) and _SECRET.search(name):
                raise ValueError(
                    f"no secret here, got {name}: settings are written down; put it into the environment (HF_TOKEN)"
                )
        return engine
