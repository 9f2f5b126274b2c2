"""Faults planted into runs on SciFact's train split, what each one costs, and what `synthneg doctor` says of it.

    nice -n 10 python benchmarks/doctor/planted.py COLLECTIONS MODEL VECTORS [--only NAME ...] [--passages 1000]
        [--seed 7] [--json FILE]

Half of the train split's claims are trained on, the passage that people judged as the positive and a mined one as the
negative; the other half is measured on. No test judgement is read.
"""

import argparse
import json
import tempfile
from pathlib import Path

from ailments import AILMENTS
from sick_runs import carry_out, material_of_collection, plan_of

from synthneg.doctor.examine import examine
from synthneg.doctor.patient import Patient
from synthneg.files import write_whole
from synthneg.settings import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", type=Path)
    parser.add_argument("model")
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(AILMENTS), default=list(AILMENTS))
    parser.add_argument("--passages", type=int, default=1000)
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--rate", type=float, default=2e-5)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    material = material_of_collection(
        args.collections / "scifact", "train", args.passages, args.seed
    )
    learn = {"max_length": args.max_length, "epochs": args.epochs, "learning_rate": args.rate}
    plan = plan_of(
        material, args.model, args.vectors, args.seed, len(material.queries) // 2, **learn
    )
    rows = []
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
            setup = {
                "model": Path(args.model).name,
                "seed": args.seed,
                "passages": args.passages,
                **learn,
            }
            write_whole(args.json, json.dumps({"setup": setup, "rows": rows}, indent=1).encode())


if __name__ == "__main__":
    main()
