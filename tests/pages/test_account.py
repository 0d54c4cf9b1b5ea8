"""Logging in and out, one's own password, and the question whether the application is alive."""

import pytest
from django.db import connection
from django.urls import reverse

from curation.models import User

WORD = "long enough to pass"


def test_a_person_logs_in_and_comes_back_to_the_page_asked_for(project, person, client):
    person("ana", 10)
    page = reverse("project_home", args=[project.slug])
    login = client.get(page)["Location"]
    answer = client.post(login, {"username": "ana", "password": WORD, "next": page}, follow=True)
    assert answer.redirect_chain[-1][0] == page
    assert answer.status_code == 200


def test_a_wrong_password_says_so_and_an_address_elsewhere_is_not_followed(person, client):
    person("ana")
    answer = client.post(reverse("login"), {"username": "ana", "password": "wrong"})
    assert "correct username and password" in answer.content.decode()
    answer = client.post(reverse("login"), {"username": "ana", "password": WORD, "next": "https://elsewhere.test/"})
    assert answer["Location"] == reverse("home")


def test_logging_out_takes_a_form_and_not_a_link(person, browser_of):
    client = browser_of(person("ana"))
    assert client.get(reverse("logout")).status_code == 405
    client.post(reverse("logout"))
    assert client.get("/").status_code == 302


def test_a_person_changes_the_password(person, browser_of):
    ana = person("ana")
    new = "another long password"
    form = {"old_password": WORD, "new_password1": new, "new_password2": new}
    assert browser_of(ana).post(reverse("password_change"), form)["Location"] == reverse("home")
    assert User.objects.get(pk=ana.pk).check_password(new)


def test_health_needs_no_login(client, db):
    answer = client.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.django_db(transaction=True)
def test_health_says_when_the_database_is_gone(client):
    port = connection.settings_dict["HOST"]
    connection.close()
    connection.settings_dict["HOST"] = "/nonexistent"
    try:
        assert client.get("/health").status_code == 503
    finally:
        connection.settings_dict["HOST"] = port
        connection.close()


def test_pages_for_errors_say_what_to_do(person, browser_of, client):
    missing = browser_of(person("ana")).get("/projects/nothing/")
    assert missing.status_code == 404
    assert "There is nothing at this address" in missing.content.decode()


def test_nothing_on_a_page_is_inline_or_comes_from_elsewhere(person, browser_of):
    page = browser_of(person("ana")).get("/")
    assert "script-src 'self'" in page["Content-Security-Policy"]
    text = page.content.decode()
    assert " style=" not in text
    assert " onclick=" not in text
    assert "<script>" not in text
    assert "https://" not in text
