"""Every page: the right person may, the wrong person may not, the visitor who is not logged in is sent to log in."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from curation.bulk import plan
from curation.datasets import freeze
from curation.models import ApiKey, Exchange, Membership, Project, User
from curation.review import label
from tests.asking import ask_many

Role = Membership.Role
# A webhook is opened by its signature alone.
OPEN_TO_ALL = {"health", "login", "logout", "webhook"}
OPEN_TO_ACCOUNTS = {"home", "project_new", "password_change"}


class Door(NamedTuple):
    name: str
    view: Callable[..., Any]
    arguments: tuple[str, ...]


def doors(patterns: list[Any]) -> Iterator[Door]:
    """All our named URLs: the admin, static files and other people's code have their own rules."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            if pattern.app_name != "admin":
                yield from doors(pattern.url_patterns)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield Door(pattern.name, pattern.callback, tuple(pattern.pattern.converters))


DOORS = {door.name: door for door in doors(get_resolver().url_patterns)}
OF_PEOPLE = [name for name, door in DOORS.items() if door.view.__module__.startswith("curation.")]
OF_PROJECTS = [name for name, door in DOORS.items() if "slug" in door.arguments]


@pytest.fixture
def place(project: Project) -> dict[str, Any]:
    """Something real behind each kind of number in an address."""
    rows = ask_many(project, 12)
    label(project, [(row.pk, "Yes.") for row in rows[:6]], "A corpus")
    version = freeze(project).version
    key, _ = ApiKey.issue(project, "App")
    owner = User.objects.create_user("first-owner")
    member = Membership.objects.create(project=project, user=owner, role=Role.OWNER)
    bulk = plan(project, owner, "excluded", project.exchanges.all())
    numbers = {"bulk": bulk.pk, "bulk_go": bulk.pk, "bulk_undo": bulk.pk}
    numbers |= {"key_revoke": key.pk, "member_change": member.pk, "provider": project.default_provider_id}
    return {
        "slug": project.slug,
        "exchange_id": rows[-1].pk,
        "example": 1,
        "call_id": rows[-1].calls.get().pk,
        "number": version.number,
        "numbers": numbers,
        "split": "train",
    }


def address(door: Door, place: dict[str, Any]) -> str:
    values = {"part": "request" if door.name == "call_raw" else "prompt", **place}
    values["pk"] = place["numbers"].get(door.name, 1)
    return reverse(door.name, kwargs={name: values[name] for name in door.arguments})


def test_the_table_holds_every_page_we_know_of():
    assert {"review", "review_include", "dataset", "project_settings", "key_new", "calls", "finetunes"} <= set(DOORS)


@pytest.mark.parametrize("name", sorted(set(DOORS) - OPEN_TO_ALL))
def test_a_visitor_is_sent_to_log_in(name, place, client):
    for answer in (client.get(address(DOORS[name], place)), client.post(address(DOORS[name], place))):
        assert answer.status_code == 302
        assert answer["Location"].startswith(reverse("login"))


@pytest.mark.parametrize("name", sorted(OF_PROJECTS))
def test_a_stranger_finds_nothing(name, place, person, browser_of):
    stranger = browser_of(person("stranger"))
    assert stranger.get(address(DOORS[name], place)).status_code in (404, 405)
    assert stranger.post(address(DOORS[name], place)).status_code in (404, 405)


def test_every_page_of_a_project_asks_for_a_role():
    assert [name for name in OF_PROJECTS if not hasattr(DOORS[name].view, "least_role")] == []


@pytest.mark.parametrize("name", sorted(set(OF_PEOPLE) & set(OF_PROJECTS)))
def test_a_role_below_the_pages_own_is_refused_and_the_role_itself_is_let_in(name, place, person, browser_of):
    door = DOORS[name]
    least = door.view.least_role
    below = [role for role in Role if role < least]
    if below:
        client = browser_of(person("below", below[-1]))
        for answer in (client.get(address(door, place)), client.post(address(door, place))):
            assert answer.status_code == 403
            assert "You may not do this" in answer.content.decode()
    answer = browser_of(person("right", least)).get(address(door, place))
    # 302: a page that only leads on; 405: an address that only takes forms.
    assert answer.status_code in (200, 302, 405)


def test_the_list_of_projects_shows_mine_only(project, person, browser_of):
    assert "Support" in browser_of(person("ana", Role.VIEWER)).get("/").content.decode()
    page = browser_of(person("stranger")).get("/").content.decode()
    assert "Support" not in page
    assert "Load the demo" in page


def test_an_administrator_owns_every_project(place, browser_of):
    admin = browser_of(User.objects.create_superuser("root"))
    for name in ("project_home", "project_settings", "review", "datasets"):
        assert admin.get(reverse(name, args=[place["slug"]]), follow=True).status_code == 200


def test_another_projects_rows_are_not_reached_through_mine(place, project, person, browser_of):
    ana = person("ana", Role.OWNER)
    other = Project.objects.create(slug="other", name="Other")
    Membership.objects.create(project=other, user=ana, role=Role.OWNER)
    client = browser_of(ana)
    elsewhere = place | {"slug": "other"}
    for name in ("review_exchange", "review_raw", "call", "call_raw", "dataset", "provider"):
        assert client.get(address(DOORS[name], elsewhere)).status_code == 404
    form = {"version": 1, "slot": Exchange.objects.get(pk=place["exchange_id"]).slots.get().pk, "action": uuid.uuid4()}
    assert client.post(address(DOORS["review_include"], elsewhere), form | {"via": "key"}).status_code == 404
    client.post(address(DOORS["key_revoke"], elsewhere))
    assert project.api_keys.get().revoked_at is None
