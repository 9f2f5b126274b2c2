"""What one process of a training has of each batch, and how all of them come to the whole of it.

A batch is cut into as many parts as there are processes. Each embeds its own part; vectors, labels and texts are then
brought together, and every process computes the loss of the whole batch, of which it differentiates its own vectors
alone. Summed over the processes that is the gradient of the whole loss, whatever the loss: one that cannot be cut at
its queries, such as WS2, needs no form of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

T = TypeVar("T")

# How long processes wait for one that is at work, such as the leading one while it samples; one that has died is
# seen at once by who started it.
PATIENCE = timedelta(days=7)


class Share:
    """This process's share of a training. Alone, it has all of it, and nothing is sent anywhere."""

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        """Take part with `count` processes, of which this is number `rank`, where the default group has been opened."""
        self.rank, self.count = rank, count
        self.sizes: tuple[int, ...] = ()  # queries that each process has of the batch at hand
        # What is on no GPU goes its own way.
        self._talk = distributed.new_group(backend="gloo", timeout=PATIENCE) if count > 1 else None

    @property
    def leads(self) -> bool:
        """Whether this is the process that samples, writes and shows."""
        return self.rank == 0

    def agree(self, make: Callable[[], T]) -> T:
        """Return in all processes what the leading one makes; no other calls `make`."""
        if self.count == 1:
            return make()
        found: list[Any] = [make() if self.leads else None]
        distributed.broadcast_object_list(found, src=0, group=self._talk)
        made: T = found[0]
        return made

    def wait(self) -> None:
        """Wait until all processes have come here."""
        if self.count > 1:
            distributed.barrier(group=self._talk)

    def most(self, own: int) -> int:
        """Return the largest number that any process has."""
        found = torch.tensor(own)
        distributed.all_reduce(found, distributed.ReduceOp.MAX, group=self._talk)
        return int(found)

    def deal(self, rows: Sequence[T] | None) -> tuple[list[T], list[int]]:
        """Return this process's rows of a batch, which the leading one gives, and how many each has.

        Of a batch with fewer rows than processes, those without a row get one of another's, which does not count: a
        process that took no part in a step would let the others wait for ever.
        """
        dealt: list[Any] = [None] * self.count
        if rows is not None:
            sizes = cut(len(rows), self.count)
            ends = [sum(sizes[: place + 1]) for place in range(self.count)]
            parts = [list(rows[e - s : e]) or [rows[0]] for e, s in zip(ends, sizes, strict=True)]
            dealt = [(part, sizes) for part in parts]
        own: list[Any] = [None]
        distributed.scatter_object_list(own, dealt if self.leads else None, group=self._talk)
        part, sizes = own[0]
        return part, sizes

    def whole(self, own: Tensor) -> Tensor:
        """Return the rows of all processes, in the order of the batch; gradients come back to this one's.

        They come back `count` times as large, because the gradients of the processes are not summed, but averaged.
        """
        if self.count == 1:
            return own
        whole: Tensor = _Whole.apply(own, self)  # type: ignore[no-untyped-call]  # torch has no types here
        return whole

    def columns(self, own: Sequence[Tensor]) -> list[Tensor]:
        """Return `whole` of each of several tensors of one shape."""
        if self.count == 1:
            return list(own)
        return list(self.whole(torch.stack(list(own), dim=1)).unbind(dim=1))

    def weight(self, rows: int, queries: int) -> float:
        """Return what the mean over some of this process's `queries` counts in that over the batch.

        It is `count` times that, for the reason `whole` gives, so that the mean over all processes is the loss.
        """
        if self.count == 1:
            return rows / queries
        return rows * self.count / sum(self.sizes) if self.sizes[self.rank] else 0.0

    @contextmanager
    def drawn_alike(self, device: torch.device) -> Iterator[None]:
        """Draw in every process what the leading one draws here; the others' own draws go on as if there were none."""
        if self.count == 1:
            yield
            return
        states = self.agree(lambda: (torch.get_rng_state(), _device_state(device)))
        if self.leads:
            yield
            return
        with torch.random.fork_rng(devices=[device] if states[1] is not None else []):
            torch.set_rng_state(states[0])
            if states[1] is not None:
                torch.cuda.set_rng_state(states[1], device)
            yield

    def gathered(self, own: Tensor) -> Tensor:
        """Return the rows of all processes, without what does not count and without gradients."""
        size, longest = self.sizes[self.rank], max(self.sizes)
        sent = own.new_zeros((longest, *own.shape[1:]))
        sent[:size] = own[:size]
        parts = [torch.empty_like(sent) for _ in self.sizes]
        distributed.all_gather(parts, sent, group=self._talk if own.device.type == "cpu" else None)
        return torch.cat([part[:rows] for part, rows in zip(parts, self.sizes, strict=True)])


ALONE = Share()


class Sharing:
    """A loss that asks its share for the whole of a batch."""

    share = ALONE


def give_share(loss: torch.nn.Module, share: Share) -> None:
    """Let a loss, and those within it, know the share of their process."""
    for module in loss.modules():
        if isinstance(module, Sharing):
            module.share = share


def cut(rows: int, count: int) -> list[int]:
    """Return the sizes of parts that differ by one at most.

    >>> cut(7, 3)
    [3, 2, 2]
    """
    return [rows // count + (place < rows % count) for place in range(count)]


class _Whole(torch.autograd.Function):
    """Brings the rows of all processes together."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, share: Share) -> Tensor:
        ctx.rows, ctx.count = len(own), share.count
        ctx.start, ctx.size = sum(share.sizes[: share.rank]), share.sizes[share.rank]
        return share.gathered(own.detach())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (whole,) = gradients
        own = whole.new_zeros((ctx.rows, *whole.shape[1:]))
        own[: ctx.size] = whole[ctx.start : ctx.start + ctx.size] * ctx.count
        return own, None


def _device_state(device: torch.device) -> Tensor | None:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else None
