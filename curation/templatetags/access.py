"""What the visitor may do, asked by a template."""

from django import template
from django.http import HttpRequest

from curation.models import Membership

register = template.Library()


@register.filter
def may(request: HttpRequest, role: str) -> bool:
    """`{% if request|may:"operator" %}`: does the visitor have that role, or a higher one, in the page's project?"""
    return getattr(request, "role", 0) >= Membership.Role[role.upper()]
