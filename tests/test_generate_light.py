"""`synthneg generate` is for machines that only write: it loads no library for models, and nothing of later stages."""

import json
import subprocess
import sys
from pathlib import Path

import llm_server
import pytest
import yaml

HEAVY = {
    *("torch", "transformers", "sentence_transformers", "datasets", "vllm", "numpy", "scipy"),
    *("pyarrow", "pandas", "openai"),
    # The stages that come later: a server must not wait for them.
    *("synthneg.verify", "synthneg.dataset", "synthneg.train"),
}
WATCHED = f"""
import atexit, sys
atexit.register(lambda: sys.stderr.write("loaded: " + " ".join(sorted({HEAVY!r} & set(sys.modules)))))
from synthneg.cli import main
sys.argv[0] = "synthneg"
main()
"""


@pytest.mark.slow
def test_generate_imports_no_torch(tmp_path: Path) -> None:
    """`synthneg generate` reads a corpus and asks for queries without what heavy or later stages need."""
    rows = [
        {"_id": f"p{i}", "text": f"passage {i} tells of rivers, mills and number {i}"}
        for i in range(5)
    ]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with llm_server.serving() as server:
        settings = {
            "run": "light",
            "corpus": {"path": "corpus.jsonl"},
            "llm": {"backend": "openai", "base_url": server.url, "model": "any"},
        }
        (tmp_path / "synthneg.yaml").write_text(yaml.safe_dump(settings))
        done = subprocess.run(
            [sys.executable, "-c", WATCHED, "generate"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    assert done.stderr.rpartition("loaded: ")[1:] == ("loaded: ", "")
    queries = (tmp_path / "outputs" / "light" / "queries.jsonl").read_text().splitlines()
    assert len(queries) == 5 * 3


@pytest.mark.slow
def test_what_the_model_cannot_answer_is_a_failure_in_the_books(tmp_path: Path) -> None:
    """Requests that are too long for the model are counted as failed, with their ids and the server's words kept."""
    rows = [{"_id": f"p{i}", "text": f"passage {i} tells of rivers and mills"} for i in range(5)]
    rows += [{"_id": "long", "text": "the marsupial is far too long for this model"}]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with llm_server.serving([llm_server.Fault("marsupial", "too_long")]) as server:
        settings = {
            "run": "partly",
            "corpus": {"path": "corpus.jsonl"},
            "llm": {"backend": "openai", "base_url": server.url, "model": "any"},
        }
        (tmp_path / "synthneg.yaml").write_text(yaml.safe_dump(settings))
        done = subprocess.run(
            [sys.executable, "-c", "from synthneg.cli import main; main()", "generate"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    books = json.loads((tmp_path / "outputs" / "partly" / "books.json").read_bytes())
    assert books["generate.queries"] == {
        "in": 18,
        "kept": 15,
        "rejected": {},
        "failed": {"too_long_for_model": 3},
    }
    assert "failed: too_long_for_model 3" in done.stdout
    rejects = (tmp_path / "outputs" / "partly" / "rejects.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in rejects] == [
        f"long:{kind}:0" for kind in ("question", "claim", "keywords")
    ]
    assert all("maximum context length" in line for line in rejects)
