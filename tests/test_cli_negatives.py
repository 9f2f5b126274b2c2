"""Mistakes in the settings of mining and verification: one line, status 2, and no file of a run."""

import sys
from pathlib import Path

import pytest
import yaml

from synthneg.cli import main

SETTINGS = {
    "run": "small",
    "corpus": {"path": "corpus.jsonl"},
    "llm": {"backend": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "any"},
    "verify": {"encoder": "encoder"},
}
# What is given, and what the line must say.
MISTAKES = {
    "fewer than none": ("mine.bm25=-1", "mine.bm25", "0, got -1"),
    "too many": ("mine.dense=101", "mine.dense", "100, got 101"),
    "no number": ("mine.random=many", "mine.random", "integer", "'many'"),
    "rank 0": ("mine.first_rank=0", "mine.first_rank", "1, got 0"),
    "narrow window": ("mine.first_rank=98", "expected at least 4 ranks", "got 98 to 100"),
    "unknown draw": ("mine.draw=best", "'top' or 'random'", "'best'"),
    "no share": ("mine.max_negative_share=0", "mine.max_negative_share", "got 0"),
    "margin below 0": ("mine.min_negative_margin=-0.1", "mine.min_negative_margin", "-0.1"),
    "no cosine": ("mine.max_cosine=1.5", "mine.max_cosine", "1, got 1.5"),
    "endless margin": ("mine.min_reranker_margin=.inf", "finite number", "got inf"),
    "mined by no reranker": ("mine.reranked=2", "mine.reranked needs a reranker", "set it"),
    "misspelt": ("mine.densee=3", "unknown setting mine.densee", "did you mean dense?"),
    "section as a number": ("mine=4", "mine:", "got 4"),
    "margin that is no number": ("verify.documents.min_rerank_margin=.nan", "finite", "got nan"),
    "no document may pass": ("verify.documents.min_words=500", "got 500 and 400", "max_words"),
    "no query may pass": ("verify.queries.max_words=1", "got 2 and 1", "max_words"),
    "relabelled by nobody": ("verify.documents.on_answers=relabel", "needs a second witness"),
    "unknown action": ("verify.documents.on_answers=remove", "'drop' or 'relabel'", "'remove'"),
    "reranked by nobody": ("verify.queries.rerank_depth=3", "rerank_depth needs a reranker"),
    "query dropped below 0": ("verify.documents.max_answering=-1", "max_answering", "got -1"),
    "leaks": ("verify.leaks.action=stop", "'drop' or 'report'", "'stop'"),
    "AUC above 1": ("verify.probe.warn_above=1.2", "verify.probe.warn_above", "got 1.2"),
    "share above 1": ("verify.catch=2", "verify.catch", "1, got 2"),
    "probability above 1": ("verify.queries.min_logprob=0.5", "min_logprob", "0, got 0.5"),
    "private what": ("verify.content.private=[iban]", "'email' or 'phone'", "'iban'"),
    "no country": ("verify.content.phone_region=usa", "phone_region", "'usa'"),
    "low share of 3-grams": ("verify.duplicates.query_jaccard=0.2", "0.5, got 0.2"),
}


@pytest.mark.parametrize("command", ["mine", "verify", "run"])
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_mining_or_verification_is_one_line(
    command: str,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The line names the setting with what was expected and seen, the status is 2, and no folder of a run is made."""
    monkeypatch.chdir(tmp_path)
    Path("synthneg.yaml").write_text(yaml.safe_dump(SETTINGS))
    change, *said = MISTAKES[name]
    monkeypatch.setattr(sys, "argv", ["synthneg", command, "--set", change])
    with pytest.raises(SystemExit) as end:
        main()
    [line] = capfd.readouterr().err.splitlines()

    assert end.value.code == 2
    assert [part for part in said if part not in line] == []
    assert not Path("outputs").exists()
