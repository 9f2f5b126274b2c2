"""The report of a large run: its size, the time and memory that it takes, and how soon a browser can be used with it.

python benchmarks/report/size.py WORK [--examples 100000]
"""

import argparse
import json
import resource
import statistics
import time
from pathlib import Path

from invented import OF_QUERY, plain, write_run
from playwright.sync_api import sync_playwright

from synthneg.report.write import write_report
from synthneg.run import Run
from synthneg.settings import load

STARTS = 5


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--browser", default="/usr/bin/chromium")
    arguments = parser.parse_args()
    share = OF_QUERY.count("kept") / len(OF_QUERY)
    folder = arguments.work / f"large-{arguments.examples}"
    if not folder.exists():
        write_run(folder, round(arguments.examples / share), plain(60))
    figures = written(folder) | opened(folder / "report.html", arguments.browser)
    print(json.dumps({"examples": arguments.examples} | figures, indent=1))


def written(folder: Path) -> dict[str, float]:
    run = Run(folder.parent, load(folder / "run.yaml"))
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.monotonic()
    file = write_report(run)
    seconds = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    run.close()
    files = [f for f in folder.rglob("*") if f.is_file() and f.name != file.name]
    return {
        "run_gb": round(sum(f.stat().st_size for f in files) / 1e9, 2),
        "report_mb": round(file.stat().st_size / 1e6, 2),
        "seconds": round(seconds, 1),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "peak_mb": round(after.ru_maxrss / 1e3),
    }


def opened(file: Path, browser_path: str) -> dict[str, float]:
    """Return the median time from the start of loading to a table that answers, and of a search among all records."""
    ready, searched, records = [], [], 0
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for _ in range(STARTS):
            page = browser.new_page()
            page.goto(file.resolve().as_uri())
            page.wait_for_selector("html[data-ready]")
            ready.append(page.evaluate("performance.getEntriesByName('ready')[0].startTime"))
            searched.append(page.evaluate(_SEARCH))
            records = page.evaluate(
                "JSON.parse(document.getElementById('data').textContent).records.length"
            )
            page.close()
        browser.close()
    return {
        "records": records,
        "ready_ms": round(statistics.median(ready)),
        "search_ms": round(statistics.median(searched)),
    }


_SEARCH = """() => new Promise((done) => {
  const box = document.getElementById("search"), start = performance.now();
  const seen = new MutationObserver(() => done(performance.now() - start));
  seen.observe(document.getElementById("rows"), {childList: true});
  box.value = "lighthouse vineyard";
  box.dispatchEvent(new Event("input"));
})"""

if __name__ == "__main__":
    main()
