"""The leak gate with a real encoder: paraphrases of held queries against other questions on the same matters."""

import pytest
from leaking import ORIGIN, PASSAGES, plant

from synthneg.config import LeakChecks
from synthneg.records import Query
from synthneg.run import Run
from synthneg.scoring.encoder import load_encoder
from synthneg.settings import resolve
from synthneg.verify.alike import QUERIES, Alike, EvaluationSet, compare_queries
from synthneg.verify.leaks import strongest

# A held query, the same asked in other words, and another question on the same matter.
ASKED = [
    (
        "how long should green tea be steeped",
        "for how long should you steep green tea",
        "which green tea is grown in Japan",
    ),
    (
        "does aspirin lower the risk of stroke",
        "is the risk of stroke lowered by aspirin",
        "can aspirin cause bleeding of the stomach",
    ),
    (
        "what causes rust on iron",
        "what is the cause of iron rusting",
        "how is iron smelted from ore",
    ),
    (
        "how do bees find their way back to the hive",
        "how do honey bees find the way back to their hive",
        "why do bees swarm in spring",
    ),
    (
        "symptoms of vitamin D deficiency",
        "what are the symptoms of a vitamin D deficiency",
        "foods that contain vitamin D",
    ),
    (
        "who invented the steam engine",
        "who was the inventor of the steam engine",
        "how does a steam engine work",
    ),
    ("why is the sky blue", "what is the reason that the sky is blue", "why are sunsets red"),
    (
        "how to remove a virus from a laptop",
        "how can I remove viruses from my laptop",
        "how fast do viruses mutate",
    ),
    ("average height of giraffes", "how tall are giraffes on average", "what do giraffes eat"),
    (
        "effects of sleep loss on memory",
        "how does loss of sleep affect memory",
        "how much sleep does a child need",
    ),
]


@pytest.mark.slow
def test_paraphrases_are_found_and_other_questions_are_not(tmp_path):
    """With all-MiniLM-L6-v2, 8 of 10 paraphrases leak, and none of 10 other questions does."""
    run = Run(tmp_path, resolve({"run": "r", "corpus": {"path": "x"}}, "test"))
    plant(run, "corpus", "passages.jsonl", PASSAGES)
    texts = {f"same{i}": same for i, (_, same, _) in enumerate(ASKED)}
    texts |= {f"other{i}": other for i, (_, _, other) in enumerate(ASKED)}
    queries = [Query(id, text, "tea", "train", ORIGIN) for id, text in texts.items()]
    plant(run, "generate.queries", "queries.jsonl", queries)
    held = EvaluationSet("held/test", {str(i): q for i, (q, _, _) in enumerate(ASKED)}, {})
    encoder = load_encoder("all-MiniLM-L6-v2", batch_size=32)
    compare_queries(run, encoder, lambda: [held], "planted")
    told = [alike for alike in run.read(QUERIES, Alike) if alike.place]
    run.close()
    leaks = {a.id for a in told if strongest([a], LeakChecks())}

    assert not {id for id in leaks if id.startswith("other")}
    assert len(leaks) >= 8
    for alike in told:
        if alike.id in leaks and alike.measure == "cosine":
            assert alike.other == alike.id.removeprefix("same")
