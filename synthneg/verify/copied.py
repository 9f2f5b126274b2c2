"""A query that copies its passage: it would teach the student to match strings."""

from collections import defaultdict

from synthneg.verify.refusal import Refusal


def longest_shared_run(query: list[str], passage: list[str]) -> tuple[int, int]:
    """Return the length of the longest run of words that both hold, and where it starts in the query.

    Takes time proportional to the passage's words times how often the query repeats each of them; a query
    that has passed its length check repeats little.

    >>> longest_shared_run("why steep green tea".split(), "we steep green leaves or green tea".split())
    (2, 1)
    """
    places = defaultdict(list)
    for place, word in enumerate(query):
        places[word].append(place)
    longest, start = 0, 0
    runs: dict[int, int] = {}  # place in the query of a run's last word -> words in the run
    for word in passage:
        runs = {place: runs.get(place - 1, 0) + 1 for place in places.get(word, ())}
        for place, run in runs.items():
            if run > longest:
                longest, start = run, place - run + 1
    return longest, start


def copied(run: int, shared: str, most: int) -> Refusal | None:
    """Return `copied` if the longest run of words that stands in the passage too, `shared`, has more than `most`."""
    if run <= most:
        return None
    return Refusal(
        "copied", f"{run} words in a row are the passage's, at most {most}: {shared:.120}"
    )
