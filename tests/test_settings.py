"""Settings files: what may be left out, and what `--set` changes."""

from pathlib import Path

import pytest

from synthneg.config import LLMConfig
from synthneg.errors import SettingsError
from synthneg.settings import load, resolve


def write(folder: Path, text: str) -> Path:
    """Return a settings file with `text`."""
    file = folder / "synthneg.yaml"
    file.write_text(text)
    return file


def test_a_section_without_a_line_has_its_defaults(tmp_path: Path) -> None:
    """A section whose every line is commented out is one with its defaults."""
    file = write(tmp_path, "run: a\ncorpus: {path: docs}\nllm:\n  # model: mine\n")

    assert load(file).llm == LLMConfig()


def test_changes_reach_nested_sections(tmp_path: Path) -> None:
    """`--set` reaches any depth, makes sections that the file does not have, and reads YAML values."""
    file = write(tmp_path, "run: a\ncorpus: {path: docs}\n")

    config = load(
        file, ["verify.queries.round_trip_k=7", "generate.documents.prompts=[]", "llm.model=null"]
    )

    assert config.verify.queries.round_trip_k == 7
    assert config.generate.documents.prompts == ()
    assert config.llm.model is None


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    """Two mistakes in one file are both in the one line, each with its key."""
    file = write(tmp_path, "run: a\ncorpus: {path: docs, limt: 3}\ntrain: {batch_size: 1}\n")

    with pytest.raises(SettingsError) as caught:
        load(file)

    assert "corpus.limt; did you mean limit?" in str(caught.value)
    assert "train.batch_size" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_secret_among_the_engine_arguments_is_refused() -> None:
    """A token given to vLLM's engine would be written to run.yaml; one taken from the environment is not."""
    settings = {"run": "r", "corpus": {"path": "docs"}}
    with pytest.raises(SettingsError, match=r"llm\.engine.*HF_TOKEN") as caught:
        resolve(settings | {"llm": {"engine": {"hf_token": "hf_planted"}}}, "a.yaml")
    assert "hf_planted" not in str(caught.value)
    assert resolve(settings | {"llm": {"engine": {"hf_token": True, "seed": 3}}}, "a.yaml")
