"""What a reader of the documents has at hand: documents, passages, queries of people, models, a reviewed run.

Everything is real but small: the texts are the tutorial's, the encoder is MiniLM cut after its first layer under its
own name, and a server that answers by rule stands in for whatever model a page names.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import batch_server
import forked
import llm_server
import yaml
from doc_pages import ELSEWHERE, ROOT, Block, words_of
from reviewing import answer_all

from synthneg.review.items import items

RUN = "my-run"
_LONGEST_S = 600  # of a command, on a machine that has much else to do
TEXTS = ROOT / "docs" / "tutorial" / "texts"
ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
ASKED = {  # queries of people, and the text that answers
    "how long may i keep a drill from the library": "borrowing",
    "fee for bringing a tool back late": "late-returns",
    "what does a membership cost for students": "membership",
    "can the cordless drill make holes in concrete": "drill",
    "which grit first when sanding a floor": "sander",
    "how often oil a bicycle chain": "bicycle-chain",
    "patch on an inner tube does not stick": "puncture",
    "sewing machine thread tangles under the cloth": "sewing-machine",
    "toaster blows the fuse": "toaster",
    "glue for a plastic bucket": "glue",
    "is the repair cafe open in august": "opening",
    "do i pay if a repair fails": "who-pays",
    "scooter battery is swollen": "battery-fire",
    "how do i get the blue badge": "volunteers",
}
_SETTINGS = {
    "run": RUN,
    "corpus": {"path": "documents", "limit": 9, "held_out": 0.3},
    "llm": {"backend": "openai", "base_url": "http://localhost:8000/v1", "model": "some-model"},
    "generate": {"queries": {"prompts": ["query/question", "query/claim"]}},
    "evaluate": {"collections": ["people"], "resamples": 200},
}


@dataclass(frozen=True, slots=True)
class Desk:
    """A reader's folder, and the servers that answer what is asked from there."""

    folder: Path
    live: str
    batch: str

    def type(self, line: str, environment: dict[str, str]) -> None:
        """Do what a line says, in the reader's folder; its exit status is asserted."""
        words = line.split()
        if words[0] == "export":
            name, _, value = line.removeprefix("export ").partition("=")
            environment[name] = value
        elif words[0] == "synthneg":
            self._answer()
            self._synthneg(line, environment)
        elif words[0] not in ELSEWHERE:
            done = subprocess.run(line, shell=True, cwd=self.folder, capture_output=True, text=True)
            assert done.returncode == 0, f"{line}\n{done.stderr}"

    def python(self, text: str, environment: dict[str, str]) -> None:
        """Run a program in the reader's folder; that it ends well is asserted."""
        process = forked.Forked(_run_program, self.folder, environment, text)
        out, err = process.communicate(_LONGEST_S)
        assert process.returncode == 0, f"{text}\n{out}\n{err}"

    def save(self, block: Block) -> None:
        """Write a block down under the name that the page gives it."""
        file = self.folder / block.file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text, encoding="utf-8")

    def _synthneg(self, line: str, environment: dict[str, str]) -> None:
        words, file = words_of(line)
        process = forked.synthneg(self.folder, environment, *words[1:])
        out, err = process.communicate(_LONGEST_S)
        assert process.returncode == 0, f"{line}\n{out}\n{err}"
        if file:
            (self.folder / file).write_text(out, encoding="utf-8")

    def _answer(self) -> None:
        """Let every settings file here ask the servers of this test, whatever model it names."""
        for file in (*self.folder.glob("*.yaml"), *self.folder.glob("*/synthneg.yaml")):
            values = yaml.safe_load(file.read_text(encoding="utf-8"))
            if "compare" in values:
                continue
            changed = json.loads(json.dumps(values))
            self._point(changed)
            if changed != values:
                file.write_text(yaml.safe_dump(changed), encoding="utf-8")

    def _point(self, values: dict[str, Any]) -> None:
        llm = values.setdefault("llm", {}) or {}
        batch = llm.get("mode") == "batch"
        llm |= {"backend": "openai", "base_url": self.batch if batch else self.live}
        llm.setdefault("model", "some-model")
        if values["corpus"]["path"] == "docs/":  # of what `init` writes, to be set by the reader
            values["corpus"]["path"] = "documents"
        if batch:
            llm["batch"] = {"poll_s": 0.05}
        values["llm"] = llm
        values.setdefault("evaluate", {})["resamples"] = 200


@contextmanager
def furnished(folder: Path) -> Iterator[Desk]:
    """Put everything into `folder`, the finished run last, and serve."""
    with ExitStack() as stack:
        live = stack.enter_context(llm_server.serving())
        batch = stack.enter_context(batch_server.serving())
        _write(folder)
        made = forked.Forked(_write_models, folder)  # with torch, which this process can do without
        _, err = made.communicate(_LONGEST_S)
        assert made.returncode == 0, err
        desk = Desk(folder, live.url, batch.url)
        desk.type(f"synthneg run {RUN}.yaml", environment())
        (folder / f"{RUN}.yaml").rename(folder / "synthneg.yaml")
        run = folder / "outputs" / RUN
        answer_all(run, lambda i: "2" if i.question == "grade" else "yes", islice(items(run), 6))
        yield desk


def copied(desk: Desk, folder: Path) -> Desk:
    """Return a desk of its own for a page; what is not changed is shared."""
    shutil.copytree(desk.folder, folder, symlinks=True, dirs_exist_ok=True)
    return Desk(folder, desk.live, desk.batch)


def environment() -> dict[str, str]:
    """Return the environment of a reader's commands: without this machine's keys, and off the Hub."""
    hidden = {"OPENAI_API_KEY", "HF_TOKEN"}
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return kept | {"HF_HUB_OFFLINE": "1", "NO_PROXY": "127.0.0.1,localhost"}


def _run_program(folder: Path, environment: dict[str, str], text: str) -> None:
    import datasets  # noqa: PLC0415  # heavy

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    datasets.config.HF_DATASETS_CACHE = folder / ".cache"
    exec(compile(text, "a program of the page", "exec"), {"__name__": "__main__"})


def _write(folder: Path) -> None:
    shutil.copytree(TEXTS, folder / "documents")
    shutil.copytree(TEXTS, folder / "docs" / "tutorial" / "texts")
    (folder / "documents" / "page.html").write_text(
        "<html><title>Keys</title><p>The key of the shed hangs behind the counter, under the clock.</p></html>"
    )
    rows = [
        {"_id": file.stem, "title": "", "text": " ".join(file.read_text().split())}
        for file in sorted(TEXTS.glob("*.md"))
    ]
    _lines(folder / "passages.jsonl", rows)
    (folder / "real-queries.txt").write_text("\n".join([*ASKED, *(f"{a} please" for a in ASKED)]))
    _write_people(folder / "people", rows)
    (folder / "my").mkdir()
    shutil.copy(ROOT / "prompts" / "query" / "natural.j2", folder / "my" / "question.j2")
    (folder / f"{RUN}.yaml").write_text(yaml.safe_dump(_SETTINGS))


def _write_people(folder: Path, rows: list[dict[str, str]]) -> None:
    (folder / "qrels").mkdir(parents=True)
    _lines(folder / "corpus.jsonl", rows)
    queries = [{"_id": f"q{n}", "text": text} for n, text in enumerate(ASKED)]
    _lines(folder / "queries.jsonl", queries)
    judged = [f"q{n}\t{answer}\t1\n" for n, answer in enumerate(ASKED.values())]
    for split, chosen in {"train": judged[:6], "dev": judged[6:9], "test": judged[9:]}.items():
        text = "query-id\tcorpus-id\tscore\n" + "".join(chosen)
        (folder / "qrels" / f"{split}.tsv").write_text(text)


def _write_models(folder: Path) -> None:
    from sick_runs import save_first_layers  # noqa: PLC0415  # heavy: imports torch
    from tiny_model import save_static_model, save_tiny_reranker  # noqa: PLC0415  # as above

    from synthneg.scoring.models import find_model  # noqa: PLC0415  # as above

    (folder / "models").mkdir()
    (folder / "sentence-transformers").mkdir()
    save_first_layers(folder / ENCODER, find_model(ENCODER), 1)
    words = [word for file in TEXTS.glob("*.md") for word in file.read_text().lower().split()]
    save_static_model(folder / "models" / "static-table", words)
    save_tiny_reranker(folder / "models" / "reranker")


def _lines(file: Path, rows: list[dict[str, str]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
