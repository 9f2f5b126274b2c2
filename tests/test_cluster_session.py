"""What a worker of a cluster is given, and what is refused before a cluster is looked for."""

import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from synthneg.cli.app import app
from synthneg.cluster.crew import whole
from synthneg.cluster.session import per_worker
from synthneg.config import LLMConfig, RayConfig
from synthneg.errors import ClusterError, SettingsError


@pytest.mark.parametrize(
    ("llm", "ray", "gpus"),
    [
        ({"backend": "openai"}, {}, 0),
        ({"backend": "vllm", "model": "m"}, {}, 1),
        ({"backend": "vllm", "engine": {"tensor_parallel_size": 2, "seed": 1}}, {}, 2),
        (
            {
                "backend": "vllm",
                "engine": {"tensor_parallel_size": 4, "pipeline_parallel_size": 2},
            },
            {},
            8,
        ),
        ({"backend": "vllm"}, {"gpus_per_worker": 0.5}, 0.5),
        ({"backend": "vllm"}, {"gpus_per_worker": 0}, 0),
    ],
)
def test_a_model_has_as_many_gpus_as_it_is_spread_over(
    llm: dict[str, Any], ray: dict[str, Any], gpus: float
) -> None:
    """A worker with vLLM is given the GPUs of its engine, unless the settings say how many; others are given none."""
    assert per_worker(RayConfig(**ray), LLMConfig(**llm)) == {"num_cpus": 1.0, "num_gpus": gpus}


def test_a_server_s_limits_are_for_all_workers() -> None:
    """Four workers together have the places of their one server, or those of four models; limits are as set."""
    asked = LLMConfig(backend="openai", concurrency=10, requests_per_minute=2)
    assert whole(asked, 4) == asked
    own = LLMConfig(backend="vllm", concurrency=64, requests_per_minute=2)
    assert (whole(own, 4).concurrency, whole(own, 4).requests_per_minute) == (256, 2)


def test_batches_are_no_work_for_a_cluster(tmp_path: Path) -> None:
    """With `llm.mode: batch`, --engine ray is refused with its reason before the run has a folder."""
    (tmp_path / "passages.jsonl").write_text(
        '{"_id": "a", "text": "The mill turns by the river."}\n'
    )
    (tmp_path / "s.yaml").write_text(
        f"{{run: r, corpus: {{path: {tmp_path}/passages.jsonl}}, llm: {{backend: openai, mode: batch, model: m,"
        ' base_url: "http://127.0.0.1:9/v1"}}'
    )
    words = ["generate", str(tmp_path / "s.yaml"), "--engine", "ray", "--outputs", str(tmp_path)]
    found = CliRunner().invoke(app, words)
    assert isinstance(found.exception, SettingsError)
    assert "take --engine local, or llm.mode: live" in str(found.exception)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9"])
def test_a_cluster_that_is_not_there_is_said_at_once(tmp_path: Path, address: str) -> None:
    """An address at which nothing listens is told in one line at once, and nothing is left of the run."""
    begun = time.monotonic()
    (tmp_path / "passages.jsonl").write_text(
        '{"_id": "a", "text": "The mill turns by the river."}\n'
    )
    (tmp_path / "s.yaml").write_text(
        f"{{run: r, corpus: {{path: {tmp_path}/passages.jsonl, min_words: 1}}, llm: {{backend: openai, model: m,"
        f' base_url: "http://127.0.0.1:9/v1"}}, ray: {{address: "{address}"}}}}'
    )
    words = ["generate", str(tmp_path / "s.yaml"), "--engine", "ray"]
    found = CliRunner().invoke(app, [*words, "--outputs", str(tmp_path / "runs")])
    assert isinstance(found.exception, ClusterError)
    said = str(found.exception)
    assert said.startswith(f"{address}: no Ray cluster can be used there (")
    assert "is `ray start` running there" in said
    assert time.monotonic() - begun < 20
    assert not (tmp_path / "runs").exists()


def test_storage_that_is_refused_is_written_nowhere(tmp_path: Path) -> None:
    """An address with a password, with either engine, and one of no kind that is known, leave no folder."""
    (tmp_path / "s.yaml").write_text(
        f"{{run: r, corpus: {{path: {tmp_path}}}, llm: {{backend: openai, model: m,"
        ' base_url: "http://127.0.0.1:9/v1"}}'
    )
    password, unknown = "s3://me:secret@bucket/runs", "foo://bucket/runs"
    for storage, engine in ((password, "ray"), (password, "local"), (unknown, "ray")):
        words = ["generate", str(tmp_path / "s.yaml"), "--engine", engine]
        words += ["--outputs", str(tmp_path / "runs"), "--set", f"ray.storage={storage}"]
        found = CliRunner().invoke(app, words)
        assert isinstance(found.exception, SettingsError)
        assert "secret" not in str(found.exception)
        assert not (tmp_path / "runs").exists()
