"""Setting up a project."""

from django.db import transaction

from .models import Membership, ModelAlias, Project, Provider, User

LOCAL_BASE_MODEL = "baseline"


@transaction.atomic
def create_project(
    slug: str,
    *,
    name: str = "",
    owner: User | None = None,
    provider_url: str = "",
    vouches: bool = False,
    provider_key: str = "",
    base_model: str = LOCAL_BASE_MODEL,
    **settings: object,
) -> Project:
    """A project ready to be called: a provider (the local trainer unless a URL is given) and an alias of its own name.

    `vouches`: the URL may be of a private network, because who gives it could reach that anyway.

    The alias answers from the provider's base model until something better is promoted. Raises IntegrityError when the
    slug is taken.
    """
    project = Project.objects.create(slug=slug, name=name or slug.replace("-", " ").capitalize(), **settings)
    provider = Provider(
        project=project,
        name="OpenAI-compatible service" if provider_url else "Local trainer",
        kind=Provider.Kind.OPENAI_COMPATIBLE if provider_url else Provider.Kind.LOCAL_TRAINER,
        base_url=provider_url,
        vouched_url=provider_url if vouches else "",
        base_model=base_model,
    )
    provider.seal_key(provider_key)
    provider.save()
    project.default_provider = provider
    project.save(update_fields=["default_provider"])
    ModelAlias.objects.create(project=project, name=slug, provider=provider, model=base_model)
    if owner:
        Membership.objects.create(project=project, user=owner, role=Membership.Role.OWNER)
    return project
