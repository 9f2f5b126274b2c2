"""What the card of a trained model says of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthneg.config import RunConfig
from synthneg.train.data import Pair


def describe(model: Any, config: RunConfig, pairs: Sequence[Pair]) -> None:
    """Name the run's dataset and the base model in the library's model card, but no folder of this machine."""
    base, card = config.train.base_model, model.model_card_data
    card.train_datasets = [{"name": config.run}]
    card.model_name = f"{Path(base).name} tuned on {config.run}"
    if not Path(base).expanduser().is_dir():
        card.base_model = base
    # Given here, because the library looks for examples of its own under a bar of its own.
    first = pairs[0]
    other = next(pair.positive for pair in pairs if pair.positive != first.positive)
    texts = [first.query, first.positive, other]
    pairs_read = getattr(model, "num_labels", None) is not None
    # Its similarities would be computed with tensors of which torch warns the user.
    card.generate_widget_examples = not hasattr(model, "max_active_dims")
    card.usage_examples = [[texts[0], text] for text in texts[1:]] if pairs_read else texts
    card.widget = [{"source_sentence": first.query, "sentences": [first.positive, other]}]
