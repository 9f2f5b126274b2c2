"""The settings of `--engine ray`: where the cluster is and how the work is cut; none of them shapes the data."""

import re

from pydantic import Field, field_validator

from synthneg.config.base import Section

# Behind a name and a colon, up to an @; a secret may hold a slash, while a port has one behind it.
_PASSWORD = re.compile(r"://[^/:@]*:(?!\d+/).*@")


class RayConfig(Section):
    """Where a Ray cluster is, and how much of it is used. The data are the same whatever is set here."""

    address: str | None = Field(
        default=None,
        description="of a Ray cluster: auto for the one that this machine belongs to, host:port of its head, or ray://…"
        " of its client server; not set: one is started on this machine for the time of the command",
    )
    partitions: int = Field(
        default=64,
        ge=1,
        le=4096,
        description="pieces, by a hash of their texts, into which what is asked is cut; each has a ledger of its own."
        " A few for each worker, so that none is left with the last one",
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="partitions that are worked on at once; not set: as many as the cluster has room for",
    )
    cpus_per_worker: float = Field(
        default=1.0, ge=0, le=1024, description="CPUs that Ray sets aside for each worker"
    )
    gpus_per_worker: float | None = Field(
        default=None,
        ge=0,
        le=64,
        description="GPUs that Ray sets aside for each worker; not set: as many as llm.engine spreads a model over"
        " with llm.backend: vllm, else none",
    )
    storage: str | None = Field(
        default=None,
        description="folder or fsspec URL, such as s3://bucket/path, that all machines of the cluster write to; the"
        " partitions of a run are under its name there. Not set: the run's folder, which all of them must see",
    )

    @field_validator("storage")
    @classmethod
    def _without_a_password(cls, value: str | None) -> str | None:
        """Refuse an address with a password, whatever engine is asked for: settings are written down."""
        if value is not None and _PASSWORD.search(value):
            raise ValueError(
                f"expected an address without a password, since settings are written down, got"
                f" {value.partition('://')[0]}://…; leave it to the environment or the configuration of fsspec"
            )
        return value
