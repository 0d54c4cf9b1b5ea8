"""What an owner sets: the project, where its calls go, and who may do what."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from curation.forms import MaskingForm, MemberForm, PriceForm, ProjectForm, ProviderForm, RoleForm, SpendingForm
from curation.models import Membership, Project, Provider
from curation.permissions import Role, role_required
from curation.prices import keep_price
from curation.routing import follow_base_model


@role_required(Role.OWNER)
def settings(request: HttpRequest, project: Project) -> HttpResponse:
    form = ProjectForm(request.POST or None, instance=project)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved. Rows already seen stay on their side of the split.")
        return redirect("project_settings", project.slug)
    return _page(request, project, form, MemberForm())


@role_required(Role.OWNER)
@require_POST
def masking(request: HttpRequest, project: Project) -> HttpResponse:
    form = MaskingForm(request.POST, instance=project)
    if form.is_valid():
        form.save()
        messages.success(request, "Saved. Calls stored from now on are masked like this; those stored before stay.")
    return redirect("project_settings", project.slug)


@role_required(Role.OWNER)
@require_POST
def spending(request: HttpRequest, project: Project) -> HttpResponse:
    form = SpendingForm(request.POST, instance=project)
    if not form.is_valid():
        return _page(request, project, ProjectForm(instance=project), MemberForm(), form)
    form.save()
    messages.success(request, "Saved. It holds for every fine-tune that is started from now on.")
    return redirect("project_settings", project.slug)


@role_required(Role.OWNER)
@require_POST
def add_member(request: HttpRequest, project: Project) -> HttpResponse:
    form = MemberForm(request.POST)
    if not form.is_valid():
        return _page(request, project, ProjectForm(instance=project), form)
    Membership.objects.update_or_create(project=project, user=form.user, defaults={"role": form.cleaned_data["role"]})
    messages.success(request, f"{form.user} is now {Role(form.cleaned_data['role']).label.lower()} of this project.")
    return redirect("project_settings", project.slug)


@role_required(Role.OWNER)
@require_POST
def change_member(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """A new role, or out of the project; somebody always stays its owner."""
    form = RoleForm(request.POST)
    with transaction.atomic():
        # Locked, so that two owners cannot each take the other's role away at once.
        members = {member.pk: member for member in project.memberships.select_for_update().select_related(None)}
        member = members.get(pk)
        if member and form.is_valid():
            role = form.cleaned_data["role"]
            owners = [other for other in members.values() if other.role == Role.OWNER]
            if owners == [member] and role != Role.OWNER:
                messages.error(request, f"{member.user} is the only owner. Make somebody else an owner first.")
            elif role is None:
                messages.success(request, f"{member.user} is no longer in this project. What they decided stays.")
                member.delete()
            else:
                member.role = role
                member.save(update_fields=["role"])
                messages.success(request, f"{member.user} is now {Role(role).label.lower()} of this project.")
    return redirect("project_settings", project.slug)


@role_required(Role.OWNER)
def provider(request: HttpRequest, project: Project, pk: int | None = None) -> HttpResponse:
    """A new provider, or another address, key or base model for one."""
    found = Provider(project=project) if pk is None else get_object_or_404(project.providers, pk=pk)
    base_model = found.base_model
    form = ProviderForm(request.POST or None, instance=found)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            saved = form.save()
            follow_base_model(saved, base_model, request.user)  # type: ignore[arg-type]
        messages.success(request, f"Provider “{saved.name}” is saved.")
        return redirect("project_settings", project.slug)
    return _provider_page(request, project, form, PriceForm(), found)


@role_required(Role.OWNER)
@require_POST
def price(request: HttpRequest, project: Project, pk: int) -> HttpResponse:
    """What a model costs at a provider, typed by a person; without any figure it is forgotten."""
    found = get_object_or_404(project.providers, pk=pk)
    form = PriceForm(request.POST)
    if not form.is_valid():
        return _provider_page(request, project, ProviderForm(instance=found), form, found)
    figures = {name: form.cleaned_data[name] for name in ("train", "input", "output")}
    keep_price(found, form.cleaned_data["model"], request.user, **figures)  # type: ignore[arg-type]
    messages.success(request, "Saved. It is what is reckoned with from now on.")
    return redirect("provider", project.slug, pk)


def _provider_page(
    request: HttpRequest, project: Project, form: ProviderForm, price_form: PriceForm, found: Provider
) -> HttpResponse:
    context = {
        "project": project,
        "room": "settings",
        "form": form,
        "price_form": price_form,
        "provider": found,
        "profile": found.profile if found.pk else None,
        "typed_prices": found.typed_prices.select_related("typed_by") if found.pk else [],
    }
    faulty = form.errors or price_form.errors
    return render(request, "projects/provider.html", context, status=422 if faulty else 200)


def _page(
    request: HttpRequest,
    project: Project,
    form: ProjectForm,
    member_form: MemberForm,
    spending_form: SpendingForm | None = None,
) -> HttpResponse:
    # A form with faults has already put them into its project; the page around it shows what is stored.
    stored = Project.objects.get(pk=project.pk)
    context = {
        "project": stored,
        "room": "settings",
        "form": form,
        "masking_form": MaskingForm(instance=stored),
        "spending_form": spending_form or SpendingForm(instance=stored),
        "member_form": member_form,
        "members": stored.memberships.select_related("user").order_by("-role", "user__username"),
        "roles": Role.choices,
        "providers": stored.providers.defer("sealed_key"),
    }
    faulty = form.errors or member_form.errors or (spending_form and spending_form.errors)
    return render(request, "projects/settings.html", context, status=422 if faulty else 200)
