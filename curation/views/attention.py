"""What comes first: the signals' weights, the rules, and each reviewer's order."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from curation.attention import begin_anew
from curation.attention_forms import OrderForm, RuleForm, WeightsForm
from curation.models import Attention, AttentionRule, Project, User
from curation.order import choose
from curation.permissions import Role, role_required
from curation.signals import WEIGHTS

MOST_RULES = 50


@role_required(Role.VIEWER)
@require_safe
def index(request: HttpRequest, project: Project) -> HttpResponse:
    return _page(request, project)


@role_required(Role.OPERATOR)
@require_POST
def save(request: HttpRequest, project: Project) -> HttpResponse:
    """Other weights: every row that waits is weighed again, in the background."""
    form = WeightsForm(request.POST)
    if not form.is_valid():
        return _page(request, project, weights_form=form)
    values = {"weights": form.weights(), "score_threshold": form.cleaned_data["score_threshold"]}
    Attention.objects.update_or_create(project=project, defaults=values)
    return _anew(request, project)


@role_required(Role.OPERATOR)
@require_POST
def add_rule(request: HttpRequest, project: Project) -> HttpResponse:
    rule = AttentionRule(project=project, created_by=_person(request))
    form = RuleForm(request.POST, instance=rule)
    if project.attention_rules.count() >= MOST_RULES:
        form.add_error(None, f"There are {MOST_RULES} rules already. Remove one first.")
    if not form.is_valid():
        return _page(request, project, rule_form=form)
    form.save()
    return _anew(request, project)


@role_required(Role.OPERATOR)
@require_POST
def remove_rule(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    get_object_or_404(project.attention_rules, pk=pk).delete()
    return _anew(request, project)


@role_required(Role.REVIEWER)
@require_POST
def order(request: HttpRequest, project: Project) -> HttpResponse:
    """The person's own order; on to the row that comes first in it."""
    form = OrderForm(request.POST)
    if form.is_valid():
        choose(project, _person(request), form.cleaned_data["kind"], form.cleaned_data["sample_percent"])
    return redirect("review", project.slug)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # nobody else passes LoginRequiredMiddleware
    return request.user


def _anew(request: HttpRequest, project: Project) -> HttpResponse:
    begin_anew(project)
    messages.success(request, "Saved. The rows that wait are being weighed again, the newest first.")
    return redirect("attention", project.slug)


def _page(
    request: HttpRequest, project: Project, weights_form: WeightsForm | None = None, rule_form: RuleForm | None = None
) -> HttpResponse:
    attention = Attention.objects.filter(pk=project.pk).first() or Attention(project=project)
    weights = WEIGHTS | attention.weights | {"score_threshold": attention.score_threshold}
    rules = list(project.attention_rules.all())
    for rule in rules:
        rule.waiting_count = attention.counts.get(f"rule-{rule.pk}", 0)  # type: ignore[attr-defined]
    weights_form = weights_form or WeightsForm(initial=weights)
    signals = [(weights_form[code], attention.counts.get(code, 0)) for code in WEIGHTS]
    is_wrong = weights_form.is_bound or rule_form is not None
    context = {
        "project": project,
        "room": "review",
        "attention": attention,
        "signals": signals,
        "threshold": weights_form["score_threshold"],
        "rules": rules,
        "rule_form": rule_form or RuleForm(),
        "faults": weights_form.errors,
    }
    return render(request, "attention/index.html", context, status=422 if is_wrong else 200)
