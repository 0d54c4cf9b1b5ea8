"""What is taught in place of the captured system prompts, before and after, with the tokens that saves."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from curation.dataset_forms import TrainingForm, VariantForm
from curation.models import Project
from curation.permissions import Role, role_required
from curation.prompt_variants import set_variant, variants_of


@role_required(Role.OPERATOR)
def prompts(request: HttpRequest, project: Project) -> HttpResponse:
    form = TrainingForm(request.POST or None, instance=project)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved. It counts from the next version on; frozen ones stay as they are.")
        return redirect("training_prompts", project.slug)
    # A form with faults has already put them into its project; the page around it shows what is stored.
    stored = Project.objects.get(pk=project.pk)
    context = {"project": stored, "room": "datasets", "form": form, "variants": variants_of(stored)}
    return render(request, "datasets/prompts.html", context, status=422 if form.errors else 200)


@role_required(Role.OPERATOR)
@require_POST
def variant(request: HttpRequest, project: Project) -> HttpResponse:
    form = VariantForm(request.POST)
    if form.is_valid() and set_variant(project, form.cleaned_data["digest"], form.cleaned_data["training_prompt"]):
        messages.success(request, "Saved. It counts from the next version on.")
    else:
        messages.error(request, "Not saved: no included row was captured with this prompt of late.")
    return redirect("training_prompts", project.slug)
