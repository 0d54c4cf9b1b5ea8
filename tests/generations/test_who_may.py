"""Viewers see, operators start: each page and each button for the right person, the wrong one and the visitor."""

import pytest

from curation.models import Membership
from curation.projects import create_project
from jobs import inputs
from jobs.models import Generation

pytestmark = pytest.mark.django_db
Role = Membership.Role

PAGES = [("generations", Role.VIEWER), ("generation_new", Role.OPERATOR), ("inputs_new", Role.OPERATOR)]
OF_ONE = [
    ("generation", "get", Role.VIEWER),
    ("generation_edit", "get", Role.OPERATOR),
    *(
        (f"generation_{verb}", "post", Role.OPERATOR)
        for verb in ("start", "pause", "resume", "cancel", "retry", "copy")
    ),
]
OF_INPUTS = [
    ("inputs", "get", Role.VIEWER),
    ("inputs_cancel", "post", Role.OPERATOR),
    ("inputs_choose", "post", Role.OPERATOR),
]


@pytest.fixture
def addresses(url, drafted, project, provider):
    """(address, method, the least role) of every page and button of the room."""
    generation = drafted("{{ name }}", "Ada")
    draft = inputs.request_inputs(project, provider, "strong", task="x")
    return [
        *((url(name), "get", role) for name, role in PAGES),
        (url("generation_example"), "post", Role.OPERATOR),
        *((url(name, generation.pk), method, role) for name, method, role in OF_ONE),
        *((url(name, draft.pk), method, role) for name, method, role in OF_INPUTS),
    ]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.REVIEWER, Role.OPERATOR, Role.OWNER])
def test_who_has_the_role_may_and_who_has_not_may_not(addresses, person, browser_of, role):
    browser = browser_of(person("ada", role))
    for address, method, least in addresses:
        status = getattr(browser, method)(address).status_code
        assert status in ((200, 302, 422) if role >= least else (403,)), (address, role)


def test_strangers_find_nothing_and_visitors_are_sent_to_log_in(addresses, person, browser_of):
    stranger, visitor = browser_of(person("sam")), browser_of(None)
    for address, method, _ in addresses:
        assert getattr(stranger, method)(address).status_code == 404
        response = getattr(visitor, method)(address)
        assert response.status_code == 302
        assert response.url.startswith("/login/")


def test_buttons_are_no_links(addresses, operator):
    for address, method, _ in addresses:
        if method == "post":
            assert operator.get(address).status_code == 405


def test_another_projects_generation_is_not_found(operator, drafted, url):
    generation = drafted("{{ name }}", "Ada")
    Generation.objects.update(project=create_project("other"))
    assert operator.get(url("generation", generation.pk)).status_code == 404
    assert operator.post(url("generation_start", generation.pk), {"how": "all"}).status_code == 404
