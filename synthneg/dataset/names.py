"""What models are called where nobody else's folders are to be seen."""

from pathlib import PurePath


def model_name(model: str) -> str:
    """Return a model's name without the folders of the machine that it was read from.

    >>> model_name("/home/ada/qwen.gguf"), model_name("org/model")
    ('qwen.gguf', 'org/model')
    """
    local = PurePath(model).is_absolute() or model.startswith(("~", "."))
    return PurePath(model).name if local else model
