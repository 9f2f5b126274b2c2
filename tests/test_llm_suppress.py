"""Which tokens are made unlikely for a word."""

from synthneg.llm.suppress import BIAS, beginnings, bias_of, spellings


class Pieces:
    """A tokenizer that cuts after the fourth letter; its tokens are numbered as they come."""

    def __init__(self) -> None:
        self.known: list[str] = []

    def encode(self, text: str, add_special_tokens: bool) -> list[int]:
        assert not add_special_tokens
        blank = len(text) - len(text.lstrip())
        pieces = [text[: blank + 4], text[blank + 4 :]]
        self.known += [piece for piece in pieces if piece and piece not in self.known]
        return [self.known.index(piece) for piece in pieces if piece]

    def decode(self, tokens: list[int]) -> str:
        return self.known[tokens[0]]


def test_a_word_is_suppressed_in_each_of_its_spellings() -> None:
    """Small or capitalised, at the beginning or after a blank, the token of the word gets the bias, and no other."""
    tokenizer = Pieces()
    assert spellings("what") == ("what", " what", "What", " What")
    bias = bias_of(["what"], tokenizer)
    assert bias == {tokenizer.known.index(form): BIAS for form in spellings("what")}
    assert bias_of([], tokenizer) is None


def test_a_token_that_begins_many_words_is_left_alone() -> None:
    """The first piece of a long word is suppressed where it holds half of it, and not where it holds less."""
    assert bias_of(["however"], Pieces())
    assert bias_of(["photosynthesis"], Pieces()) is None
    assert beginnings("what", {"what": []}) == []
