"""Sentence-transformers models of few random weights, for tests that train: a transformer, and a table of words."""

from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast


def save_tiny_model(folder: Path, prompts: dict[str, str] | None = None) -> Path:
    """Write the model to `folder`; it reads the 26 letters, one a token, and nothing else."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {t: i for i, t in enumerate([*special, *"abcdefghijklmnopqrstuvwxyz"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), special, strict=True))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **names)
    torch.manual_seed(0)
    size = {"hidden_size": 32, "intermediate_size": 64, "max_position_embeddings": 64}
    layers = {"num_hidden_layers": 2, "num_attention_heads": 2}
    bert = BertModel(BertConfig(vocab_size=len(vocabulary), **size, **layers))
    base = folder.with_name(folder.name + "-bert")
    bert.save_pretrained(base)
    fast.save_pretrained(base)
    transformer = Transformer(str(base))
    pooling = Pooling(32)
    SentenceTransformer(modules=[transformer, pooling], prompts=prompts).save_pretrained(
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
