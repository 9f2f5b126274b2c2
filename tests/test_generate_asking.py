"""A backend is opened once for the stages that ask, and let go of when it is in the way."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from synthneg.config import RunConfig
from synthneg.generate import asking
from synthneg.llm.ask import Asker
from synthneg.run import Run
from synthneg.testing import ScriptedBackend


class _Counted(ScriptedBackend):
    """A backend that counts how often it was opened and closed."""

    opened = closed = 0

    async def close(self) -> None:
        """Count."""
        type(self).closed += 1


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> type[_Counted]:
    """Let runs of this test ask a backend that counts."""

    class Counted(_Counted):
        pass

    def opened(*_: object) -> Counted:
        Counted.opened += 1
        return Counted()

    monkeypatch.setattr(asking, "open_backend", opened)
    return Counted


async def _nothing(run: Run, asker: Asker) -> None:
    """Ask nothing."""


def test_stages_share_one_backend(tmp_path: Path, counts: type[_Counted]) -> None:
    """Two stages open weights once; `release` closes them once, and the next stage opens them again."""
    run = Run(tmp_path, RunConfig(run="r", corpus={"path": "docs"}))
    asking.with_asker(run, _nothing)
    asking.with_asker(run, _nothing)
    assert (counts.opened, counts.closed) == (1, 0)
    asking.release(run)
    asking.release(run)
    assert (counts.opened, counts.closed) == (1, 1)
    asking.with_asker(run, _nothing)
    run.close()
    assert (counts.opened, counts.closed) == (2, 2)


def test_an_error_closes_the_backend(tmp_path: Path, counts: type[_Counted]) -> None:
    """A stage that fails leaves no weights in memory, and the ledger can be opened by another."""

    async def fails(run: Run, asker: Asker) -> None:
        raise ValueError(SimpleNamespace(run=run, asker=asker))

    run = Run(tmp_path, RunConfig(run="r", corpus={"path": "docs"}))
    with pytest.raises(ValueError, match="namespace"):
        asking.with_asker(run, fails)
    assert (counts.opened, counts.closed) == (1, 1)
    run.close()
