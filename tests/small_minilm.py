"""The first layers of all-MiniLM-L6-v2 as a model of their own: real weights, quick to train."""

from pathlib import Path

from sentence_transformers import SentenceTransformer

from synthneg.scoring.encoder import find_model


def save_first_layers(folder: Path, layers: int) -> Path:
    """Write the model to `folder`, cut after so many of its six layers."""
    model = SentenceTransformer(find_model("all-MiniLM-L6-v2"), local_files_only=True)
    encoder = model[0].auto_model.encoder
    encoder.layer = encoder.layer[:layers]
    model[0].auto_model.config.num_hidden_layers = layers
    model.save_pretrained(str(folder))
    return folder
