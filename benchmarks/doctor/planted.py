"""Faults planted into runs, what each one costs, and what `synthneg doctor` says of it.

    nice -n 10 python benchmarks/doctor/planted.py MODEL VECTORS [--collections FOLDER] [--layers 2] [--only NAME ...]
        [--passages 300] [--taught 64] [--seed 7] [--json FILE]

Docstrings of numpy and scikit-learn without their first sentences, which are the queries; or, with --collections, the
claims of SciFact's train split with the passages that people judged. Some queries are trained on with a mined negative
each, the others measured. No test judgement is read. With --layers a model is cut after so many. Rows of other faults
that the JSON file holds stay in it.
"""

import argparse
import json
import tempfile
from pathlib import Path

from ailments import AILMENTS
from sick_runs import (
    carry_out,
    material_of_collection,
    material_of_docstrings,
    plan_of,
    save_first_layers,
)

from synthneg.doctor.examine import examine
from synthneg.doctor.patient import Patient
from synthneg.files import write_whole
from synthneg.settings import load

_PLACES = ("vectors", "collections", "json", "only", "model")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(AILMENTS), default=list(AILMENTS))
    parser.add_argument("--collections", type=Path)
    parser.add_argument("--layers", type=int)
    parser.add_argument("--passages", type=int, default=300)
    parser.add_argument("--taught", type=int, default=64)
    parser.add_argument("--max-length", type=int, default=64)
    parser.add_argument("--epochs", type=float, default=2)
    parser.add_argument("--rate", type=float, default=5e-5)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    learn = {
        "max_length": args.max_length,
        "epochs": args.epochs,
        "learning_rate": args.rate,
        "batch_size": args.batch,
    }
    if args.collections:
        folder = args.collections / "scifact"
        material = material_of_collection(folder, "train", args.passages, args.seed)
    else:
        material = material_of_docstrings(("numpy", "sklearn"), args.passages)
    model = args.model
    if args.layers:
        model = str(save_first_layers(Path(tempfile.mkdtemp()) / "cut", model, args.layers))
    plan = plan_of(material, model, args.vectors, args.seed, args.taught, **learn)
    known = json.loads(args.json.read_bytes())["rows"] if args.json and args.json.exists() else []
    rows = [row for row in known if row["planted"] not in args.only]
    for name in args.only:
        change, wanted, word = AILMENTS[name]
        with tempfile.TemporaryDirectory() as folder:
            made = change(plan, Path(folder))
            run = carry_out(made, Path(folder), args.vectors)
            patient = Patient(run, load(run / "run.yaml"))
            report = examine(patient)
            curve = patient.curve
        (compared,) = report.compared
        told = {f.name: f.word for f in report.findings if f.word in ("bad", "suspect")}
        rows.append(
            {
                "planted": name,
                "wanted": [wanted, word],
                "told": told,
                "named": not wanted or told.get(wanted) == word,
                "difference": [compared.mean, compared.low, compared.high],
                "p": compared.p,
                "verdict": compared.verdict,
                "curve": [round(loss, 4) for loss in curve],
                "values": {f.name: f.value for f in report.findings},
                "seen": {f.name: f.seen for f in report.findings},
            }
        )
        print(
            f"{name:<22} {compared.mean:+.3f} [{compared.low:+.3f}, {compared.high:+.3f}] p {compared.p:.4f}  "
            f"{'named' if rows[-1]['named'] else 'MISSED'}  {told}",
            flush=True,
        )
        if args.json:
            setup = {name: value for name, value in vars(args).items() if name not in _PLACES}
            setup |= {"model": Path(args.model).name, "measured": len(plan.measured)}
            write_whole(args.json, json.dumps({"setup": setup, "rows": rows}, indent=1).encode())


if __name__ == "__main__":
    main()
