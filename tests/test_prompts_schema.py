"""Schemas of replies: every string and list has a bound, and what is bounded stays as it is."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from synthneg.prompts.schema import bounded
from synthneg.prompts.shelf import load


def strings_of(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema of an object with these properties."""
    return {"type": "object", "properties": schema, "required": list(schema)}


def test_one_string_may_fill_the_reply_and_several_share_it() -> None:
    """A string gets six characters for each token, one of three gets half of that."""
    one = bounded(strings_of({"a": {"type": "string"}}), 100)
    assert one["properties"]["a"] == {"type": "string", "maxLength": 600}
    three = bounded(strings_of({key: {"type": "string"} for key in "abc"}), 100)
    assert {part["maxLength"] for part in three["properties"].values()} == {300}


def test_what_has_a_bound_keeps_it() -> None:
    """Enumerations, constants, patterns and bounds that a prompt gives are not touched."""
    schema = strings_of(
        {
            "a": {"type": "string", "maxLength": 9},
            "b": {"type": "string", "enum": ["yes", "no"]},
            "c": {"type": "string", "const": "tea"},
            "d": {"type": "string", "pattern": "^[a-z]{1,9}$"},
            "e": {"type": "array", "maxItems": 2, "items": {"type": "integer"}},
            "f": True,
        }
    )
    assert bounded(schema, 100) == schema


def test_a_bound_is_never_below_what_the_prompt_demands() -> None:
    """A string that must be long, and a list that must hold many, may be so."""
    schema = strings_of(
        {
            "a": {"type": "string", "minLength": 900},
            "b": {"type": "array", "minItems": 50, "items": {"type": "null"}},
        }
    )
    properties = bounded(schema, 10)["properties"]
    assert properties["a"]["maxLength"] == 900
    assert properties["b"]["maxItems"] == 50


def test_strings_in_lists_and_branches_are_bounded() -> None:
    """Bounds reach the strings of objects in lists, of branches, and of definitions."""
    inner = strings_of({"q": {"type": ["string", "null"]}})
    schema = {"$defs": {"x": inner}, "type": "array", "items": {"anyOf": [inner, {"type": "null"}]}}
    got = bounded(schema, 80)
    assert got["maxItems"] == 10
    assert got["items"]["anyOf"][0]["properties"]["q"]["maxLength"] >= 1
    assert got["$defs"]["x"]["properties"]["q"]["maxLength"] >= 1


def test_the_shipped_prompts_were_bounded_already() -> None:
    """The schema of the shipped prompt for graded documents is sent as its file has it."""
    head = load("document/graded").head
    assert isinstance(head.reply, dict)
    assert all(
        part == {"type": "string", "minLength": 80, "maxLength": 1200}
        for part in head.reply["properties"].values()
    )


scalars = st.fixed_dictionaries(
    {"type": st.sampled_from(["string", "integer", "boolean"])},
    optional={"maxLength": st.integers(1, 99), "minLength": st.integers(0, 99)},
)
schemas = st.recursive(
    scalars,
    lambda inner: (
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(st.text(max_size=3), inner)}
        )
        | st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner}, optional={"minItems": st.integers(0, 9)}
        )
    ),
    max_leaves=8,
)


@given(schemas, st.integers(1, 4000), st.integers(1, 4000))
def test_bounding_twice_is_bounding_once(schema: dict[str, Any], first: int, second: int) -> None:
    """A bounded schema has nothing left to bound, and the one that was given is not changed."""
    before = repr(schema)
    once = bounded(schema, first)
    assert bounded(once, second) == once
    assert repr(schema) == before
