"""Beside a row stand those like it: near-duplicates and prompts spelt alike, with their verdicts."""

from django.urls import reverse

from curation.models import Exchange
from curation.similar import similar_to
from tests.asking import ask, ask_many


def like(row: Exchange) -> list[tuple[int, str, bool, bool]]:
    row = Exchange.objects.select_related("family").get(pk=row.pk)
    return [(found.id, found.state, found.is_family, found.differs) for found in similar_to(row.project, row)]


def test_near_duplicates_come_first_with_their_verdicts(project, ana, give):
    row = ask(project, "Please tell me how I can reset the password of my account today", "By mail.")
    same = ask(project, "please tell me how I can reset the password of my account today!", "By mail.")
    other = ask(project, "Tell me please how can I reset the password of my own account today", "By phone.")
    far = ask(project, "Which password managers do you recommend to a whole company", "None.")
    ask_many(project, 5)
    give(same, ana, "included")
    give(other, ana, "included")
    give(far, ana, "excluded")
    found = like(row)
    assert found[0] == (same.pk, "included", True, False)
    assert (other.pk, "included") in [line[:2] for line in found]
    assert next(line for line in found if line[0] == other.pk)[3]  # it teaches another answer
    assert far.pk not in [line[0] for line in found]
    assert row.pk not in [line[0] for line in found]


def test_json_that_says_the_same_does_not_differ(json_project, ana, give):
    row = ask(json_project, "A quiet room with a view in Batumi for two people", '{"city": "Batumi", "n": 2}')
    same = ask(json_project, "A quiet room with a view in Batumi for two people!", '{"n": 2, "city": "Batumi"}')
    give(same, ana, "included")
    assert [line[3] for line in like(row)] == [False]


def test_another_projects_rows_are_not_found(project, json_project):
    row = ask(project, "Please tell me how I can reset the password of my account today")
    ask(json_project, "Please tell me how I can reset the password of my account, today", "{}")
    assert like(row) == []


def test_prompts_that_no_search_could_read_find_nothing(project):
    for prompt in ("?", "a b c", "''' & | ! :*", "\\", "日本語", "word " * 5000):
        row = ask(project, prompt)
        assert isinstance(like(row), list)


def test_the_page_shows_them_inert_and_the_row_leads_there(project, ana, browser_of):
    row = ask(project, "Please tell me how I can reset the password of my <b>account</b> today")
    ask(project, "Please tell me how I can reset the password of my <b>account</b>, today", "<script>1</script>")
    client = browser_of(ana)
    address = reverse("review_similar", args=[project.slug, row.pk])
    assert address in client.get(reverse("review_exchange", args=[project.slug, row.pk])).content.decode()
    page = client.get(address).content.decode()
    assert "&lt;script&gt;1&lt;/script&gt;" in page
    assert "near-duplicate" in page
    assert "% alike" in page
