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


@pytest.mark.parametrize("value", [0, "many", 1.5, None])
def test_what_may_be_a_number_or_a_word_is_refused_in_one_line(value: object) -> None:
    """A number of processes that is none is refused by what was expected and what was seen, once."""
    with pytest.raises(SettingsError) as caught:
        resolve({"run": "r", "corpus": {"path": "d"}, "train": {"processes": value}}, "a.yaml")
    words = f"a.yaml: train.processes: expected a whole number from 1 on, or auto, got {value!r}"
    assert str(caught.value) == words


@pytest.mark.parametrize(
    "place", ["s3://me:secret@b/x", "s3://me:se/cret@b", "a::ftp://m:secret@h"]
)
def test_a_password_of_the_storage_is_refused(place: str) -> None:
    """An address with a password would be written to run.yaml; with a port, or another @, it is one like others."""
    settings = {"run": "r", "corpus": {"path": "docs"}}
    with pytest.raises(
        SettingsError, match=r"ray\.storage: expected an address without a"
    ) as caught:
        resolve(settings | {"ray": {"storage": place}}, "a.yaml")
    assert "cret" not in str(caught.value)
    for fine in ("s3://bucket/x", "sftp://host:22/a@b", "/shared/a:b@c", "sftp://me@host/x"):
        assert resolve(settings | {"ray": {"storage": fine}}, "a.yaml").ray.storage == fine


def test_a_secret_among_the_engine_arguments_is_refused() -> None:
    """A token given to vLLM's engine would be written to run.yaml; one taken from the environment is not."""
    settings = {"run": "r", "corpus": {"path": "docs"}}
    with pytest.raises(SettingsError, match=r"llm\.engine.*HF_TOKEN") as caught:
        resolve(settings | {"llm": {"engine": {"hf_token": "hf_planted"}}}, "a.yaml")
    assert "hf_planted" not in str(caught.value)
    assert resolve(settings | {"llm": {"engine": {"hf_token": True, "seed": 3}}}, "a.yaml")
