"""Before a fine-tune is paid for: what it costs, what stands against it, the budget, and a second person."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.urls import reverse

from curation.models import Membership, Project, Provider, TypedPrice
from jobs import approvals, budgets, finetunes, readiness
from jobs.models import Approval, FineTune, Quote
from jobs.plans import Plan, estimate, faults, warnings
from tests.machines import drive, step
from tests.provider_stub import Stub

pytestmark = pytest.mark.django_db
Role, Decision = Membership.Role, Approval.Decision


@pytest.fixture
def olga(person):
    return person("olga", Role.OPERATOR)


@pytest.fixture
def start(browser_of, olga):
    """`start(verb, **fields)`: the start page as olga sees it."""

    def send(verb: str = "get", /, **fields):
        return getattr(browser_of(olga), verb)(reverse("finetune_new", args=["support"]), fields)

    return send


@pytest.fixture
def priced(provider) -> Provider:
    """A million training tokens cost 1000 dollars there: the twelve short examples come to some dollars."""
    TypedPrice.objects.create(provider=provider, model="base", train=1000)
    return provider


def cost_of(version, provider, base_model: str = "base", **wishes) -> Decimal | None:
    return estimate(Plan(version, provider, base_model, **wishes)).amount


def test_the_sum_stands_on_the_button_and_follows_the_passes(start, olga, browser_of, version, priced):
    assert version.train_tokens == 312
    assert "Launch for about $0.94" in start(h_n_epochs="3").text
    # As OpenAI chooses the passes for twelve examples, unless told.
    assert "Launch for about $2.50" in start().text
    answer = start("post", version=1, h_n_epochs="3", expected="0.94")
    quote = Quote.objects.get()
    assert (quote.amount, quote.passes, quote.price, quote.source) == (Decimal("0.94"), 3, 1000, "typed")
    assert "US$ 0.94" in browser_of(olga).get(answer.url).text


def test_a_sum_that_has_changed_is_asked_again(start, version, priced):
    shown = cost_of(version, priced)
    TypedPrice.objects.update(train=2000)
    answer = start("post", version=1, expected=str(shown))
    assert answer.status_code == 409
    assert "The sum has changed" in answer.text
    assert f"Launch for about ${cost_of(version, priced):.2f}" in answer.text
    # Nor is a launch without any sum taken, where one is known.
    assert start("post", version=1).status_code == 409
    assert not FineTune.objects.exists()


def test_without_a_known_price_one_is_typed_and_kept(start, version, provider, project):
    assert "not known: type one" in start().text
    assert "at a price not known" in start().text
    assert "Launch for about $" in start(typed_price="500").text
    shown = cost_of(version, provider, typed_price=Decimal(500))
    assert start("post", version=1, typed_price="500", expected=str(shown)).status_code == 302
    assert TypedPrice.objects.get(provider=provider, model="base").train == 500


def test_the_trainer_of_this_installation_costs_nothing(start, version, project):
    assert "Launch at no cost" in start().text
    assert start("post", version=1).status_code == 302
    assert Quote.objects.get().amount == 0


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        *[("h_n_epochs", value) for value in ("0", "51", "1e9", "1.5", "NaN", "٣", "many")],
        *[("h_batch_size", "257"), ("h_learning_rate_multiplier", "0"), ("seed", "-1"), ("suffix", "x" * 65)],
    ],
)
def test_a_number_beyond_the_limits_is_refused_before_anything_is_sent(start, version, provider, field, wrong):
    answer = start("post", version=1, **{field: wrong})
    assert answer.status_code == 422
    assert 'class="fault"' in answer.text
    assert not FineTune.objects.exists()


def test_each_way_to_train_has_its_own_numbers(start, version, provider):
    page = start(method="dpo").text
    assert "A number above 0 to 2." in page
    assert "Only rows whose answer a person corrected" in page
    assert "Reasoning effort" in start(method="reinforcement").text
    answer = start("post", version=1, method="dpo", h_beta="0.2", h_n_epochs="auto", seed="7")
    made = FineTune.objects.get()
    assert answer.status_code == 302
    assert (made.method, made.hyperparameters, made.seed) == ("dpo", {"beta": 0.2}, 7)


def test_another_provider_brings_its_own_base_model(start, version, provider, project):
    other = Provider.objects.create(
        project=project, name="Other", base_url="https://api.openai.com/v1", base_model="gpt-4.1-mini-2025-04-14"
    )
    page = start(provider=other.pk, was=provider.pk, base_model="base").text
    assert 'value="gpt-4.1-mini-2025-04-14"' in page
    assert "OpenAI&#x27;s price list" in page
    assert "gpt-4o-2024-08-06" in page
    assert 'value="mine"' in start(provider=other.pk, was=other.pk, base_model="mine").text


@pytest.mark.parametrize(
    ("where", "model", "method", "says"),
    [
        ("openai", "gpt-4.1-mini", "supervised", "Name the dated one: gpt-4.1-mini-2025-04-14"),
        ("openai", "gpt-4.1-nano-2025-04-14", "supervised", "is gone since 23 October 2026"),
        ("openai", "gpt-4o-mini-2024-07-18", "dpo", "is not tuned by training on preferences"),
        ("together", "any", "supervised", "in the format “together”"),
        ("bedrock-mantle", "any", "supervised", "does not offer supervised training"),
        ("bedrock-mantle", "any", "reinforcement", "want at least 100"),
    ],
)
def test_what_a_provider_would_refuse_is_known_before(version, provider, where, model, method, says):
    provider.profile_key = where
    assert says in " ".join(faults(Plan(version, provider, model, method), date(2026, 12, 1)))


def test_what_it_would_refuse_is_not_launched(start, version, provider):
    provider.profile_key = "together"
    provider.save()
    page = start().text
    assert "in the format “together”" in page
    assert "disabled" in page
    assert "in the format “together”" in start("post", version=1).text
    with pytest.raises(finetunes.NotPossible, match="train there"):
        finetunes.launch(version, provider)


def test_closing_days_are_warned_of_and_then_kept(version, provider):
    provider.profile_key = "openai"
    plan = Plan(version, provider, "gpt-4.1-mini-2025-04-14")
    said = " ".join(warnings(plan, date(2026, 12, 31)))
    assert "stop answering on 14 January 2027, in 14 days" in said
    assert "no new fine-tunes from 6 January 2027 on, in 6 days" in said
    assert list(faults(plan, date(2027, 1, 5))) == []
    assert "since 6 January 2027" in " ".join(faults(plan, date(2027, 1, 6)))


def test_over_budget_is_refused_in_words(start, version, priced, project):
    cost = cost_of(version, priced)
    project.monthly_budget = cost + Decimal("0.50")
    project.save()
    assert start("post", version=1, expected=str(cost)).status_code == 302
    page = start(base_model="base", version=1).text
    assert "only US$ 0.50 are left" in page
    assert "disabled" in page
    answer = start("post", version=1, base_model="unpriced")
    assert "no price is known for this model" in answer.text
    assert FineTune.objects.count() == 1


def test_what_was_never_asked_for_is_free_again_and_what_was_counted_counts(version, priced, project):
    project.monthly_budget = 1000
    finetune = finetunes.launch(version, priced)
    held = finetune.quote.amount
    assert budgets.left(project) == 1000 - held
    finetunes.request_cancel(finetune)
    assert drive(finetune).status == "cancelled"
    assert budgets.left(project) == 1000
    done = drive(finetunes.launch(version, priced))
    assert (done.status, done.trained_tokens) == ("succeeded", 4321)
    assert budgets.left(project) == 1000 - Decimal("4.321")
    # What the provider took on and failed with may be charged all the same.
    FineTune.objects.filter(pk=done.pk).update(status="failed")
    assert budgets.left(project) == 1000 - held
    # Another month has a budget of its own.
    Quote.objects.update(created_at=budgets.month_start() - timedelta(seconds=1))
    assert budgets.left(project) == 1000


@pytest.mark.django_db(transaction=True)
def test_ten_launches_at_once_share_a_budget_for_three(version, provider, project):
    models = [f"base-{number}" for number in range(10)]
    TypedPrice.objects.bulk_create(TypedPrice(provider=provider, model=model, train=1000) for model in models)
    cost = cost_of(version, provider, models[0])
    Project.objects.update(monthly_budget=cost * 3 + Decimal("0.01"))

    def launch(model: str) -> bool:
        try:
            finetunes.launch(version, provider, model)
        except finetunes.NotPossible:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(10) as threads:
        begun = list(threads.map(launch, models))
    assert (sum(begun), FineTune.objects.count()) == (3, 3)
    assert Quote.objects.since(project, budgets.month_start()).cost() == cost * 3


@pytest.fixture
def cautious(project) -> Project:
    project.launches_need_approval = True
    project.save()
    return project


def test_a_second_person_agrees_before_anything_is_sent(
    start, person, browser_of, version, priced, cautious, stub: Stub
):
    assert "Ask for approval: about $" in start().text
    start("post", version=1, expected=str(cost_of(version, priced)))
    finetune = FineTune.objects.get()
    step(finetune)
    finetunes.advance(finetune.pk)  # a worker that was told to all the same
    assert stub.seen == []
    page, approve = (reverse(name, args=["support", finetune.pk]) for name in ("finetune", "finetune_approve"))
    olga, otto = browser_of(finetune.created_by), browser_of(person("otto", Role.OPERATOR))
    assert "It waits for a second person" in olga.get(page).text
    assert 'value="approved"' not in olga.get(page).text
    assert (
        "another operator of the project has to agree" in olga.post(approve, {"decision": "approved"}, follow=True).text
    )
    assert "Approve about $" in otto.get(page).text
    assert "waits for a second person to agree" in otto.get(reverse("project_home", args=["support"])).text
    otto.post(approve, {"decision": "approved", "reason": "It is time."})
    finetune.refresh_from_db()
    assert drive(finetune).status == "succeeded"
    assert stub.create_count == 1
    said = " ".join(otto.get(page).text.split())
    assert "Asked for by olga; a second person has to agree." in said
    assert "Approved by otto. It is time." in said
    assert "has decided on this fine-tune already" in otto.post(approve, {"decision": "declined"}, follow=True).text


def test_a_declined_one_ends_and_its_sum_is_free(person, olga, version, priced, cautious, stub: Stub):
    cautious.monthly_budget = 1000
    finetune = finetunes.launch(version, priced, user=olga)
    finetunes.decide(finetune, person("otto", Role.OPERATOR), Decision.DECLINED, "Too dear.")
    finetune.refresh_from_db()
    assert (finetune.status, finetune.error) == ("cancelled", "Declined by otto. Too dear. Nothing was sent.")
    assert budgets.left(cautious) == 1000
    assert stub.seen == []


def test_one_that_waits_can_be_cancelled(olga, version, priced, cautious, stub: Stub):
    finetune = finetunes.launch(version, priced, user=olga)
    finetunes.request_cancel(finetune)
    assert drive(finetune).status == "cancelled"
    assert not finetune.awaits_approval
    assert stub.seen == []


def test_the_retraining_rule_waits_for_a_person_too(person, version, priced, cautious, stub: Stub):
    run = readiness.start(readiness.policy_of(cautious), "person")
    for _ in range(3):
        step(run)
    assert run.finetune.awaits_approval
    assert stub.seen == []
    assert approvals.is_open(run.finetune)
    finetunes.decide(run.finetune, person("otto", Role.OPERATOR), Decision.APPROVED)
    assert drive(run).status == "succeeded"
    assert stub.create_count == 1
