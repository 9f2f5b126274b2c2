"""`report.html`: all that a run has come to, in one file."""

from pathlib import Path

from synthneg.files import disk_errors, write_whole
from synthneg.progress import track
from synthneg.report.advice import advice
from synthneg.report.changed import read_changed
from synthneg.report.cost import read_cost
from synthneg.report.draw import Draw
from synthneg.report.overview import read_overview
from synthneg.report.page import page
from synthneg.report.records import collect
from synthneg.report.tally import Tally
from synthneg.report.walk import seen_groups, seen_queries
from synthneg.run import REPORT, Run


def write_report(run: Run) -> Path:
    """Write the page of a run into its folder, whole or not at all, and return its path.

    The same run gives the same bytes. Memory does not grow with the run beyond what the page shows; where people have
    answered, by some hundred bytes a query.

    Args:
        run: open, so that nobody changes it meanwhile.

    Raises:
        RunError: a file of the run is damaged, or the folder cannot be written.
    """
    tally, draw = Tally(), Draw(run.config.seed)
    books = run.books()
    count = books.get("generate.queries", {}).get("kept")
    for query in track(seen_queries(run), "report", "queries", count):
        tally.add_query(query)
        draw.see_query(query)
    count = books.get("verify.queries", {}).get("kept")
    for group in track(seen_groups(run), "report", "queries with documents", count):
        tally.add_group(group)
        draw.see_group(group)
    found = read_overview(run)
    cost = read_cost(run)
    shown = collect(run, draw.ids())
    text = page(found, tally, cost, shown, read_changed(run), advice(found, tally))
    file = run.file(REPORT)
    with disk_errors(run.folder):
        write_whole(file, text.encode())
    return file
