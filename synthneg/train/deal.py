"""A trainer whose batches one process makes, and deals out to all.

So batches, drawn negatives and a teacher's labels are made once, by what makes them for a single process, and the
processes cannot come to differ in them. The library's own way, in which every process samples for itself and takes its
turn, would make other batches, and need the corpus' vectors in each.

This module imports torch, so it is imported where a training begins.
"""

from typing import Any, NamedTuple

from accelerate.data_loader import prepare_data_loader
from torch import tensor
from torch.utils.data import DataLoader

from synthneg.train.share import Share

_SIZES = "sizes"  # of the parts of a batch: a key beside those of its columns


class Fed(NamedTuple):
    """What a trainer is fed with."""

    dataset: Any
    batches: Any  # a batch sampler
    columns: list[str]  # names of the texts of a row, as they are when a batch is asked for


def like(own: Fed | None, share: Share) -> Fed:
    """Return what the leading process feeds its trainer with; to the others, as many batches of nothing."""
    from datasets import Dataset  # noqa: PLC0415 - heavy: only when training

    batches, columns = share.agree(lambda: (len(own.batches), own.columns) if own else (0, []))
    return own or Fed(Dataset.from_list([{"query": ""}]), [[0]] * batches, columns)


def dealing(trainer: type, share: Share, batches: Any) -> type:
    """Return the library's trainer as it takes part in a training of several processes.

    Args:
        trainer: the library's class.
        share: of this process.
        batches: those of `Fed`.
    """

    class Dealing(trainer):  # type: ignore[misc]  # known when it runs
        """Takes its rows of each batch from the process that leads."""

        def get_train_dataloader(self) -> Any:
            """Return what yields this process's part of each batch; as for one, it is one batch ahead."""

            def part(rows: list[Any]) -> dict[str, Any]:
                own, sizes = share.deal(rows if share.leads else None)
                found: dict[str, Any] = self.data_collator(own)
                return found | {_SIZES: tensor(sizes)}

            loader = DataLoader(
                self.train_dataset,
                batch_sampler=batches,
                collate_fn=part,
                pin_memory=self.args.dataloader_pin_memory,
            )
            return prepare_data_loader(
                loader, self.args.device, num_processes=1, process_index=0, put_on_device=True
            )

        def compute_loss(
            self, model: Any, inputs: dict[str, Any], *rest: Any, **others: Any
        ) -> Any:
            """Return the loss of the batch, after the sizes of its parts have been made known."""
            share.sizes = tuple(inputs.pop(_SIZES).tolist())
            return super().compute_loss(model, inputs, *rest, **others)

    return Dealing
