"""Corpora in Hugging Face datasets, saved to disk and on a Hub on the loopback interface."""

import io
import os
import subprocess
import sys

import datasets
import hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthneg.config import CorpusConfig
from synthneg.corpus.read import read
from synthneg.errors import CorpusError

ROWS = {"id": [1, 2], "title": ["Tea", None], "text": ["green", "roasted"], "more": [0.5, 0.7]}
EXPECTED = [("1", "Tea", "green"), ("2", "", "roasted")]
READ = """
import sys
from synthneg.config import CorpusConfig
from synthneg.corpus.read import read
from synthneg.errors import CorpusError
try:
    sys.stdout.write(repr([(r.id, r.title, r.text) for r in read(CorpusConfig(path=sys.argv[1]))]))
except CorpusError as error:
    sys.stdout.write(f"{error}")
"""


def _triples(path):
    return [(r.id, r.title, r.text) for r in read(CorpusConfig(path=str(path)))]


def _from_hub(name, folder, **variables):
    """Read in a process of its own, since the Hub's client takes its address at its import."""
    home = {"HF_HOME": str(folder), "HF_TOKEN": hub.TOKEN, **variables}
    command = [sys.executable, "-c", READ, name]
    done = subprocess.run(
        command, env=os.environ | home, cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("split", [None, "train", "corpus"])
def test_a_saved_dataset_is_read(tmp_path, split):
    """A Dataset, or a DatasetDict's `train` or only split, that was saved to disk is read row by row."""
    dataset = datasets.Dataset.from_dict(ROWS)
    (datasets.DatasetDict({split: dataset}) if split else dataset).save_to_disk(tmp_path / "saved")
    assert _triples(tmp_path / "saved") == EXPECTED


def test_a_saved_dataset_without_a_train_split_is_refused(tmp_path):
    """Of several splits, none of them `train`, the error names all."""
    dataset = datasets.Dataset.from_dict(ROWS)
    datasets.DatasetDict({"a": dataset, "b": dataset}).save_to_disk(tmp_path / "saved")
    with pytest.raises(CorpusError, match="saved: expected a split 'train', found 'a', 'b'$"):
        _triples(tmp_path / "saved")


@pytest.mark.parametrize("name", ["data-00000-of-00001.arrow", "dataset_info.json", "state.json"])
def test_a_damaged_saved_dataset_is_one_line(tmp_path, name):
    """A saved dataset with a file cut short is refused in one line that names the folder."""
    datasets.Dataset.from_dict(ROWS).save_to_disk(tmp_path / "saved")
    file = tmp_path / "saved" / name
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(CorpusError) as caught:
        _triples(tmp_path / "saved")
    assert "\n" not in str(caught.value)
    assert f"{tmp_path / 'saved'}: expected a whole saved dataset, but" in str(caught.value)


@pytest.mark.slow
def test_a_dataset_on_the_hub_is_read(tmp_path):
    """A Hub's dataset is read by its name, and again from the cache when the Hub is away."""
    data = io.BytesIO()
    pq.write_table(pa.table(ROWS), data)
    with hub.running() as server:
        files = {"data/train-00000-of-00001.parquet": data.getvalue(), "README.md": b"# Tea\n"}
        server.repos["ann/tea"] = hub.Repo(private=False, files=files)
        assert _from_hub("ann/tea", tmp_path, HF_ENDPOINT=server.url) == repr(EXPECTED)
        url = server.url
    cached = _from_hub("ann/tea", tmp_path, HF_ENDPOINT=url, HF_HUB_OFFLINE="1")
    assert cached == repr(EXPECTED)


@pytest.mark.slow
def test_a_name_that_leads_nowhere_is_one_line(tmp_path):
    """A name that neither the disk nor the Hub has, and a Hub that is away, are each one line, at once."""
    with hub.running() as server:
        url = server.url
        unknown = _from_hub("ann/coffee", tmp_path, HF_ENDPOINT=url)
    away = _from_hub("ann/coffee", tmp_path, HF_ENDPOINT=url)
    offline = _from_hub("ann/coffee", tmp_path, HF_ENDPOINT=url, HF_HUB_OFFLINE="1")
    for message in (unknown, away):
        assert message.startswith(
            "ann/coffee: neither a path here nor a dataset that the Hub gives ("
        )
        assert "\n" not in message
    assert "404" in unknown
    assert offline.startswith("ann/coffee: expected a dataset on the Hub, but ")
    assert "\n" not in offline
