"""The losses, one file each; `train.loss` names one.

`docs/reference/losses.md` has the columns that each takes, its formula and its source. `build.build_loss` makes one.

The modules of this package import torch, so they are imported where a loss is made. `LOSSES` does not.
"""

from typing import Literal

from synthneg.config.losses import Loss

Rows = Literal["pairs", "sources", "grades", "scores"]

# What the rows of training hold beside texts: nothing, who made each document, grades, or a teacher's scores.
LOSSES: dict[Loss, Rows] = {
    "infonce": "pairs",
    "source-share": "sources",
    "gist": "pairs",
    "bce": "pairs",
    "margin-mse": "scores",
    "kl": "scores",
    "ar2": "scores",
    "listnet": "grades",
    "ws2": "grades",
    "rank-pairs": "grades",
    "lambda": "grades",
}
