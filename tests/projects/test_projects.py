"""A project is made, set up and handed to people; its home says where it stands and what comes next."""

import pytest
from django.urls import reverse

from curation.datasets import freeze
from curation.models import ApiKey, Membership, Project, Provider
from curation.review import label
from tests.asking import ask, ask_many

Role = Membership.Role


@pytest.fixture
def owner(person):
    return person("olivia", Role.OWNER)


@pytest.fixture
def settings_page(project):
    return reverse("project_settings", args=[project.slug])


class TestNewProject:
    def test_whoever_makes_it_owns_it_and_the_local_trainer_answers(self, person, browser_of):
        ana = person("ana")
        form = {"name": "Trips", "slug": "Trips", "answer_format": "json"}
        answer = browser_of(ana).post(reverse("project_new"), form)
        assert answer["Location"] == reverse("project_home", args=["trips"])
        made = Project.objects.get(slug="trips")
        assert made.memberships.get().role == Role.OWNER
        assert (made.answer_format, made.default_provider.kind) == ("json", "local-trainer")
        assert made.aliases.get().name == "trips"

    def test_another_provider_is_named_with_its_key_which_is_sealed(self, person, browser_of):
        form = {"name": "Trips", "slug": "trips", "answer_format": "text", "base_model": "m-1"}
        form |= {"provider_url": "https://models.test/v1", "provider_key": "a-provider-key"}
        browser_of(person("ana")).post(reverse("project_new"), form)
        provider = Project.objects.get(slug="trips").default_provider
        assert (provider.url, provider.base_model, provider.open_key()) == (
            "https://models.test/v1",
            "m-1",
            "a-provider-key",
        )
        assert b"a-provider-key" not in bytes(provider.sealed_key)

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            ({"slug": "support"}, "There is a project of this name already"),
            ({"slug": "new"}, "is the address of this page"),
            ({"slug": "two words"}, "valid “slug”"),
            ({"slug": "../etc"}, "valid “slug”"),
            ({"provider_url": "https://models.test/v1"}, "Name the model"),
            ({"provider_url": "ftp://models.test"}, "Give the address that ends in /v1"),
            ({"provider_key": "abc"}, "A key needs the address"),
        ],
    )
    def test_what_is_wrong_is_said_and_nothing_is_made(self, project, person, browser_of, wrong, says):
        form = {"name": "Trips", "slug": "trips", "answer_format": "text"} | wrong
        answer = browser_of(person("ana")).post(reverse("project_new"), form)
        assert answer.status_code == 422
        assert says in answer.content.decode()
        assert Project.objects.count() == 1


class TestSettings:
    def test_an_owner_changes_what_the_project_is_about(self, project, owner, browser_of, settings_page):
        form = {"name": "Help", "instructions": "Be kind.", "training_prompt": "Help.", "answer_format": "text"}
        form |= {"test_share": 30, "default_provider": project.default_provider_id}
        answer = browser_of(owner).post(settings_page, form, follow=True)
        assert "Saved." in answer.content.decode()
        project.refresh_from_db()
        assert (project.name, project.test_share, project.training_prompt) == ("Help", 30, "Help.")

    @pytest.mark.parametrize("share", ["0", "91", "many"])
    def test_a_test_share_that_makes_no_sense_is_refused(self, project, owner, browser_of, settings_page, share):
        form = {"name": "Help", "answer_format": "text", "test_share": share}
        answer = browser_of(owner).post(settings_page, form | {"default_provider": project.default_provider_id})
        assert answer.status_code == 422
        assert Project.objects.get().test_share == 20

    def test_another_projects_provider_cannot_be_chosen(self, project, owner, browser_of, settings_page):
        other = Project.objects.create(slug="other", name="Other")
        provider = Provider.objects.create(project=other, name="P", base_url="http://p/v1", base_model="m")
        form = {"name": "Help", "answer_format": "text", "test_share": 20, "default_provider": provider.pk}
        assert browser_of(owner).post(settings_page, form).status_code == 422

    def test_members_are_added_changed_and_removed(self, project, owner, person, browser_of):
        person("ana")
        client = browser_of(owner)
        client.post(reverse("member_add", args=[project.slug]), {"username": "ana", "role": Role.REVIEWER})
        ana = project.memberships.get(user__username="ana")
        assert ana.role == Role.REVIEWER
        change = reverse("member_change", args=[project.slug, ana.pk])
        client.post(change, {"role": Role.OPERATOR})
        assert project.memberships.get(pk=ana.pk).role == Role.OPERATOR
        client.post(change, {"role": ""})
        assert not project.memberships.filter(pk=ana.pk).exists()

    def test_an_unknown_person_is_told_how_to_get_in(self, project, owner, browser_of):
        form = {"username": "nobody", "role": Role.REVIEWER}
        answer = browser_of(owner).post(reverse("member_add", args=[project.slug]), form)
        assert answer.status_code == 422
        assert "An administrator makes accounts" in answer.content.decode()

    @pytest.mark.parametrize("role", ["", str(Role.VIEWER.value)])
    def test_the_last_owner_stays_one(self, project, owner, browser_of, role):
        me = project.memberships.get(user=owner)
        change = reverse("member_change", args=[project.slug, me.pk])
        answer = browser_of(owner).post(change, {"role": role}, follow=True)
        assert "is the only owner" in answer.content.decode()
        assert project.memberships.get(pk=me.pk).role == Role.OWNER

    def test_a_provider_is_changed_and_its_alias_follows_the_base_model(self, project, owner, browser_of):
        provider = project.default_provider
        provider.seal_key("first")
        provider.save()
        address = reverse("provider", args=[project.slug, provider.pk])
        form = {"name": "Other", "kind": "openai-compatible", "base_url": "http://box:9/v1/", "base_model": "m-2"}
        browser_of(owner).post(address, form)
        provider.refresh_from_db()
        assert (provider.url, provider.base_model, provider.open_key()) == ("http://box:9/v1", "m-2", "first")
        assert project.aliases.get().model == "m-2"
        browser_of(owner).post(address, form | {"key": "second"})
        provider.refresh_from_db()
        assert provider.open_key() == "second"
        assert "second" not in browser_of(owner).get(address).content.decode()

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [({"base_url": ""}, "Give the address"), ({"name": "Local trainer"}, "has a provider of that name already")],
    )
    def test_a_provider_that_makes_no_sense_is_refused(self, project, owner, browser_of, wrong, says):
        form = {"name": "Other", "kind": "openai-compatible", "base_url": "http://box/v1", "base_model": "m"} | wrong
        answer = browser_of(owner).post(reverse("provider_new", args=[project.slug]), form)
        assert answer.status_code == 422
        assert says in answer.content.decode()
        assert project.providers.count() == 1


class TestKeys:
    def test_a_key_is_shown_once_with_the_way_to_use_it(self, project, owner, browser_of):
        client = browser_of(owner)
        address = reverse("key_new", args=[project.slug])
        answer = client.post(address, {"name": "The shop", "scopes": ApiKey.Scope.values})
        page = answer.content.decode()
        key = page.split('id="key">')[1].split("<")[0]
        row = ApiKey.objects.get()
        assert (row.digest, row.name, row.created_by) == (ApiKey.digest_of(key), "The shop", owner)
        assert f"api_key=&quot;{key}&quot;" in page or f'api_key="{key}"' in page
        assert "http://testserver/v1" in page
        assert "no-store" in answer["Cache-Control"]
        again = client.get(address).content.decode()
        assert key not in again
        assert row.hint in again

    def test_a_revoked_key_is_dead(self, project, owner, browser_of):
        row, _ = ApiKey.issue(project, "Old")
        browser_of(owner).post(reverse("key_revoke", args=[project.slug, row.pk]))
        assert not ApiKey.objects.live().filter(pk=row.pk).exists()

    def test_another_projects_key_is_left_alone(self, project, owner, browser_of):
        row, _ = ApiKey.issue(Project.objects.create(slug="other", name="Other"), "Theirs")
        browser_of(owner).post(reverse("key_revoke", args=[project.slug, row.pk]))
        assert ApiKey.objects.live().filter(pk=row.pk).exists()


class TestHome:
    def test_a_new_project_says_the_next_step(self, project, owner, browser_of):
        page = browser_of(owner).get(reverse("project_home", args=[project.slug])).content.decode()
        assert "The next step" in page
        assert "http://testserver/v1" in page
        assert reverse("key_new", args=[project.slug]) in page

    def test_the_circle_shows_live_figures_that_lead_on(self, project, owner, browser_of):
        rows = ask_many(project, 20)
        ask(project, "question 1", "Another answer.")
        label(project, [(row.pk, "Yes.") for row in rows[5:]], "A corpus")
        version = freeze(project).version
        client = browser_of(owner)
        page = client.get(reverse("project_home", args=[project.slug])).content.decode()
        assert "calls, 20 prompts" in page
        assert "1 answered differently" in page
        assert f"{version.train_count} train, {version.test_count} held out" in page
        assert "nothing newer" in page
        assert "5 rows wait; 1 of them was answered differently on repeats" in page
        for name, *more in (("calls",), ("review",), ("review_rows",), ("dataset", 1), ("finetunes",), ("registry",)):
            assert reverse(name, args=[project.slug, *more]) in page

    def test_the_list_of_projects_has_a_line_of_figures_each(self, project, owner, browser_of):
        ask_many(project, 3)
        page = browser_of(owner).get("/").content.decode()
        assert "3 calls, 3 prompts · 0 included · no version yet" in page
        assert "3 wait for review" in page

    def test_the_list_costs_the_same_for_many_projects(self, browser_of, owner, django_assert_max_num_queries):
        for number in range(12):
            made = Project.objects.create(slug=f"p{number}", name=f"P{number}")
            Membership.objects.create(project=made, user=owner, role=Role.VIEWER)
        client = browser_of(owner)
        with django_assert_max_num_queries(6):
            client.get("/")
