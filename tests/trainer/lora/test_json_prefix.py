"""A text is the beginning of a JSON object exactly when Python's parser could still read it as one."""

import json

from hypothesis import given
from hypothesis import strategies as st

from jobs.trainer.engines.lora.json_prefix import JsonPrefix

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=4), values, max_size=3)
texts = st.builds(
    lambda value, ascii_only, indent: json.dumps(value, ensure_ascii=ascii_only, indent=indent),
    objects,
    st.booleans(),
    st.sampled_from([None, 2]),
)


@given(texts)
def test_every_beginning_of_an_object_passes_and_only_the_whole_is_complete(text: str) -> None:
    for end in range(len(text)):
        state = JsonPrefix().after(text[:end])
        assert state is not None
        assert not state.is_complete
    whole = JsonPrefix().after(text)
    assert whole is not None
    assert whole.is_complete


@given(texts, st.data())
def test_a_changed_text_is_complete_only_where_the_parser_agrees(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.sampled_from('{}[],:"0123e.-+tn \\')) + text[at + 1 :]
    try:
        is_object = isinstance(json.loads(changed), dict)
    except ValueError:
        is_object = False
    state = JsonPrefix().after(changed)
    assert (state is not None and state.is_complete) == is_object
