"""A template says what it says: columns are put in, and nothing a cell holds is ever read as a template."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.prompts import MAX_PROMPT, MAX_TEMPLATE, MAX_VALUES, Part, Template, TemplateError, escaped, parse, values_of

COLUMNS = ["DrugName", "Active Ingredient", "Form", "Größe"]
ROW = {"DrugName": "LASIX", "Active Ingredient": "FUROSEMIDE; WATER", "Form": "TABLET;ORAL", "Größe": ""}


def test_columns_are_put_in_letter_by_letter():
    template = parse("About {{ DrugName }} ({{Active Ingredient}}, “{{ Größe }}”): {{DrugName}}!", COLUMNS)
    assert template.columns == ["DrugName", "Active Ingredient", "Größe"]
    assert template.render(ROW) == "About LASIX (FUROSEMIDE; WATER, “”): LASIX!"


def test_each_value_of_a_list_makes_a_prompt_of_its_own():
    template = parse("What is {{ each: Active Ingredient }} in {{ DrugName }}?", COLUMNS)
    prompts = [template.render(variables) for variables in template.expand(ROW, ";")]
    assert prompts == ["What is FUROSEMIDE in LASIX?", "What is WATER in LASIX?"]


def test_an_empty_list_makes_no_prompt():
    template = parse("{{ each: Größe }}", COLUMNS)
    assert list(template.expand(ROW, ";")) == []


@pytest.mark.parametrize(
    ("cell", "values"),
    [
        ("a; b ;;c", ["a", "b", "c"]),
        ('["a; b", "c", 3, null, {"k": 1}, ""]', ["a; b", "c", "3", '{"k":1}']),
        ("[not a list; b", ["[not a list", "b"]),
        ("alone", ["alone"]),
        ("", []),
    ],
)
def test_a_list_is_json_or_text_between_separators(cell, values):
    assert values_of(cell, ";") == values


def test_the_separator_is_chosen():
    assert values_of("a, b;c", ",") == ["a", "b;c"]
    assert values_of("a\r\nb", "\n") == ["a", "b"]


def test_preview_knows_which_words_came_from_a_cell():
    assert parse("A {{ DrugName }}{{ Größe }}.", COLUMNS).fill(ROW) == [
        Part("A "),
        Part("LASIX", "DrugName"),
        Part("", "Größe"),
        Part("."),
    ]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ DrugNam }}", "Did you mean DrugName? Its columns are: DrugName, Active Ingredient, Form, Größe."),
        ("{{ drug.__class__ }}", "no column “drug.__class__”"),
        ("{{ DrugName|upper }}", "no column “DrugName|upper”"),
        ("{{ each: Nothing }}", "no column “Nothing”"),
        ("ok {{ DrugName }}\n\nthen {{ Form", "Line 3"),
        ("{{ }} {{ DrugName }}", "Line 1"),
        ("{% for x in y %}", "names no column"),
        ("", "Write {{ DrugName }} where"),
        ("{{ each: Form }} {{ each: DrugName }}", "there are two: Form and DrugName"),
        ("{{ DrugName }}" + "x" * MAX_TEMPLATE, "20,000 are the most"),
    ],
)
def test_a_template_that_cannot_work_is_refused_with_the_reason(source, words):
    with pytest.raises(TemplateError) as refused:
        parse(source, COLUMNS)
    assert words in str(refused.value)


def test_prompts_and_lists_without_end_are_refused():
    with pytest.raises(TemplateError, match="100,000 are the most"):
        parse("{{ DrugName }}", COLUMNS).render({"DrugName": "x" * (MAX_PROMPT + 1)})
    with pytest.raises(TemplateError, match="1,000 are the most"):
        values_of("x;" * (MAX_VALUES + 1), ";")
    assert values_of("[" * 100_000, ";") == ["[" * 100_000]


def test_json_in_a_template_needs_no_escaping():
    source = 'Answer as {"city": {"name": null}} for {"drug": {{{ DrugName }}}}'
    assert parse(source, COLUMNS).render(ROW) == 'Answer as {"city": {"name": null}} for {"drug": {LASIX}}'


texts = st.text(st.one_of(st.sampled_from('{}"\\ \n;each:aB'), st.characters(codec="utf-8")), max_size=30)
names = st.sampled_from(COLUMNS)
pieces = st.lists(st.one_of(texts.map(lambda text: (text, "")), names.map(lambda name: ("", name))), max_size=8)


@given(pieces, st.booleans(), st.fixed_dictionaries(dict.fromkeys(COLUMNS, texts)))
def test_any_words_and_any_cells_come_out_as_they_went_in(written, expands, cells):
    written = [*written, ("", "DrugName")]
    marks = {name: "{{ " + name + " }}" for name in COLUMNS}
    marks["DrugName"] = "{{ each: DrugName }}" if expands else "{{DrugName}}"
    source = "".join(marks[name] if name else escaped(text) for text, name in written)
    template = parse(source, COLUMNS)
    assert template.render(cells) == "".join(cells[name] if name else text for text, name in written)
    assert parse(template.source, COLUMNS) == template


@given(st.lists(texts))
def test_a_json_list_gives_its_values_back(values):
    kept = [value.strip() for value in values if value.strip()]
    assert values_of(json.dumps(values), ";") == kept


@given(texts)
def test_no_template_does_more_than_be_refused(source):
    try:
        template = parse(source, COLUMNS)
    except TemplateError:
        return
    assert isinstance(template, Template)
    assert template.columns
