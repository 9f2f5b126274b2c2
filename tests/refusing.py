"""What a process of a training does that refuses its settings; it needs nothing that takes seconds to import."""

import os
import time

from synthneg.errors import SettingsError


def refuse(word: str) -> None:
    """Refuse the setting in the second process; the first one waits for it."""
    if os.environ["RANK"] == "1":
        raise SettingsError(f"train.{word}: expected another")
    time.sleep(600)
