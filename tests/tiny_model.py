"""Models of some 20,000 random weights that read the 26 letters, one a token; and a static table of word vectors."""

from pathlib import Path

import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_VOCABULARY = {t: i for i, t in enumerate([*_SPECIAL, *"abcdefghijklmnopqrstuvwxyz"])}
_CONFIG = {
    **{"vocab_size": len(_VOCABULARY), "hidden_size": 32, "intermediate_size": 64},
    **{"max_position_embeddings": 64, "num_hidden_layers": 2, "num_attention_heads": 2},
}


def save_tiny_model(folder: Path, prompts: dict[str, str] | None = None) -> Path:
    """Write a sentence-transformers model to `folder`."""
    base = folder.with_name(folder.name + "-bert")
    _save(BertModel, BertConfig(**_CONFIG), base)
    transformer = Transformer(str(base))
    SentenceTransformer(modules=[transformer, Pooling(32)], prompts=prompts).save_pretrained(
        str(folder)
    )
    return folder


def save_static_model(folder: Path, words: list[str]) -> Path:
    """Write a static table of word vectors to `folder`, as model2vec makes them; it knows these words."""
    vocabulary = {word: i for i, word in enumerate(["[UNK]", *sorted(set(words))])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    torch.manual_seed(0)
    table = StaticEmbedding(tokenizer, embedding_dim=32)
    SentenceTransformer(modules=[table]).save_pretrained(str(folder))
    return folder


def save_tiny_reranker(folder: Path, labels: int = 1) -> Path:
    """Write a cross-encoder to `folder` that gives one logit a label."""
    base = folder.with_name(folder.name + "-bert")
    # Not the library's .02, with which all logits are nearly the same.
    config = BertConfig(**_CONFIG, num_labels=labels, initializer_range=1.0)
    _save(BertForSequenceClassification, config, base)
    CrossEncoder(str(base), activation_fn=torch.nn.Identity()).save_pretrained(str(folder))
    return folder


def _save(kind: type[PreTrainedModel], config: BertConfig, folder: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel(_VOCABULARY, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), _SPECIAL, strict=True))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **names)
    torch.manual_seed(0)
    kind(config).save_pretrained(folder)
    fast.save_pretrained(folder)
