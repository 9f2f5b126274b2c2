"""An edited prompt meets no old reply, and one that is as it was meets all of them."""

from pathlib import Path

import pytest
from asking import Asking
from llm_server import serving

PROMPT = """\
---
makes: query
about: A question.
needs: [passage]
sampling: {temperature: 0.7, max_tokens: 40}
---
=== system
You write a question on one line.
=== user
{{ passage.text }}
"""
EDITS = {
    "the text": ("You write a question", "You write one question"),
    "a role": ("=== system", "=== user"),
    "the sampling": ("temperature: 0.7", "temperature: 0.8"),
    "the room": ("max_tokens: 40", "max_tokens: 41"),
    "the form of the reply": ("needs: [passage]", "needs: [passage]\nreply: lines"),
    # The name under which results are compared, and with it every seed, comes from the file's bytes.
    "what it is about": ("A question.", "Some question."),
}


@pytest.mark.slow
def test_each_edit_of_a_prompt_asks_anew(tmp_path: Path) -> None:
    """Text, role, sampling, reply form and even `about`: each edit asks for all, and the way back for nothing."""
    with serving() as server:
        asking = Asking(tmp_path, server.url)
        asking.build_small(6)
        prompt = tmp_path / "mine.j2"
        change = f"generate.queries.prompts=[{prompt}]"

        def asked(text: str) -> int:
            prompt.write_text(text)
            before = len(server.bodies)
            asking.generate("--set", change)
            return len(server.bodies) - before

        assert asked(PROMPT) == 6
        for what, (old, new) in EDITS.items():
            assert old in PROMPT
            assert asked(PROMPT.replace(old, new, 1)) == 6, what
        assert asked(PROMPT) == 0
