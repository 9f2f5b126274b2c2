"""Low-rank adapters: laid beside the layers of a student, trained alone, and added to the weights at the end.

A checkpoint holds the adapters and a cross-encoder's head. What else is new in a student is drawn again when the
checkpoint is loaded, and comes out the same, because the trainer begins with the run's seed as `open_student` does.
"""

from typing import Any

import torch

from synthneg.config import LoraConfig
from synthneg.errors import SettingsError


def add_adapters(model: Any, settings: LoraConfig) -> None:
    """Lay adapters beside the student's layers; all its other weights stay as they are, but those of a new head.

    Raises:
        SettingsError: no layer has such a name.
    """
    from peft import LoraConfig as Adapters  # noqa: PLC0415 - an extra

    body = model.transformers_model
    try:
        model.add_adapter(
            Adapters(
                r=settings.rank,
                lora_alpha=settings.alpha,
                lora_dropout=settings.dropout,
                target_modules=list(settings.target_modules) or "all-linear",
                modules_to_save=_heads(model) or None,
            )
        )
    except ValueError as error:
        linear = (n for n, m in body.named_modules() if isinstance(m, torch.nn.Linear))
        known = ", ".join(sorted({name.rpartition(".")[2] for name in linear}))
        raise SettingsError(
            f"train.lora.target_modules: expected ends of names of layers, such as {known}, got"
            f" {', '.join(settings.target_modules)}"
        ) from error


def _heads(model: Any) -> list[str]:
    """Return the layers that a cross-encoder has beyond its encoder: they may be new, and learn as a whole."""
    body = model.transformers_model
    if getattr(model, "num_labels", None) is None or not hasattr(body, body.base_model_prefix):
        return []
    return [
        name
        for name, child in body.named_children()
        if name != body.base_model_prefix and any(True for _ in child.parameters())
    ]


def merge_adapters(model: Any) -> None:
    """Add what the adapters have learnt to the weights, so that the student is a model like any other."""
    from peft.tuners.tuners_utils import BaseTunerLayer  # noqa: PLC0415 - an extra
    from peft.utils import ModulesToSaveWrapper  # noqa: PLC0415 - an extra

    body = model.transformers_model
    for name, layer in list(body.named_modules()):
        if isinstance(layer, BaseTunerLayer):
            layer.merge()
            body.set_submodule(name, layer.get_base_layer())
        elif isinstance(layer, ModulesToSaveWrapper):
            body.set_submodule(name, layer.modules_to_save["default"])
    body._hf_peft_config_loaded = False  # else transformers would save adapters alone
    del body.peft_config
