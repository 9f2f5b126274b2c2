"""AR2: the student is led by a ranker to what it takes for answers, and away from what it does not."""

from typing import Any

from torch import Tensor
from torch.nn.functional import logsigmoid

from synthneg.train.losses.base import PADDED, ListLoss
from synthneg.train.losses.kl import log_softmax


class AR2(ListLoss):
    """½ · Σₖ pₖ log σ((t₁ - tₖ)/τₜ) - ½ · Σ softmax(t/τₜ) log softmax(s/τ), mean over queries (AR2, arXiv:2110.03611).

    p is the softmax of s/τ over the documents after the first, t the ranker's scores (the labels). The first term has
    the student put its probability on documents that the ranker hardly tells from the positive, the second is
    distillation over the whole list. AR2 trains its ranker in turn; here it stays as it is.
    """

    def __init__(
        self,
        model: Any,
        *,
        temperature: float = 0.05,
        teacher_temperature: float = 0.05,
        mini_batch_size: int | None = None,
        cosine: bool = True,
    ) -> None:
        """Take in the student and the two temperatures; AR2's are 1, of dot products and logits."""
        super().__init__(model, mini_batch_size=mini_batch_size, cosine=cosine)
        self.temperature, self.teacher_temperature = temperature, teacher_temperature

    def of_scores(self, scores: Tensor, labels: Tensor | None) -> Tensor:
        """Return the loss of a batch; labels are the ranker's scores."""
        assert labels is not None, "expected the ranker's scores, (B, G), as labels"
        left_out = labels == PADDED
        ranker = labels.masked_fill(left_out, 0) / self.teacher_temperature
        wanted = log_softmax(labels, self.teacher_temperature, labels).exp()
        seen = log_softmax(scores, self.temperature, labels)
        distilled = -(wanted * seen).masked_fill(left_out, 0).sum(dim=1)
        # Not -inf: a list may hold nothing but filling after the positive.
        among = (scores[:, 1:] / self.temperature).masked_fill(left_out[:, 1:], -1e4).softmax(dim=1)
        fooled = among * logsigmoid(ranker[:, :1] - ranker[:, 1:])
        return (fooled.masked_fill(left_out[:, 1:], 0).sum(dim=1) + distilled).mean() / 2

    def get_config_dict(self) -> dict[str, Any]:
        """Return what the model card says of the loss."""
        return super().get_config_dict() | {
            "temperature": self.temperature,
            "teacher_temperature": self.teacher_temperature,
        }

    @property
    def citation(self) -> str:
        """Return the entry of the paper."""
        return """
@inproceedings{zhang2022adversarial,
    title={Adversarial Retriever-Ranker for Dense Text Retrieval},
    author={Hang Zhang and Yeyun Gong and Yelong Shen and Jiancheng Lv and Nan Duan and Weizhu Chen},
    booktitle={ICLR},
    year={2022},
    eprint={2110.03611}
}
"""
