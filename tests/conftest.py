"""What all tests share: no key of this machine is seen by them, and slow machines break no property."""

import pytest
from hypothesis import settings

KEYS = ("OPENAI_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")

# A property is about values; how long one takes depends on who else uses the machine.
settings.register_profile("synthneg", deadline=None)
settings.load_profile("synthneg")


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the keys and tokens of whoever runs the tests, and an HTTP proxy from the loopback servers."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
