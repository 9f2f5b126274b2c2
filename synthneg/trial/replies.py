"""What the replies of an arm have taken, by the jobs that they answered."""

from synthneg.llm.history import History
from synthneg.llm.used import Spent

Keys = dict[
    str, list[str]
]  # id of a job -> ledger keys of the replies that it took, in their order


class Replies:
    """What the replies of an arm have taken; one that several jobs share counts for the first of them."""

    def __init__(self, history: History, keys: Keys) -> None:
        self._history, self._keys = history, keys
        self._counted: set[str] = set()

    def spent(self, job_id: str) -> Spent:
        """Return what a job has taken that no job before it has."""
        own = [key for key in dict.fromkeys(self._keys.get(job_id, ())) if key not in self._counted]
        self._counted.update(own)
        return self._history.spent(own)

    def last(self, job_id: str) -> str:
        """Return the last reply to a job, as the model wrote it."""
        keys = self._keys.get(job_id, ())
        reply = self._history.get(keys[-1]) if keys else None
        return reply.text if reply else ""
