"""The rows a person has looked at in this browser, so that “previous” leads back the way they came."""

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from curation.models import Project

COOKIE = "review-trail"
LENGTH = 50


def trail_of(request: HttpRequest) -> list[int]:
    """Numbers of rows, the newest last. Whoever writes into the cookie is led astray alone."""
    parts = request.COOKIES.get(COOKIE, "").split("-")
    return [int(part) for part in parts if part.isascii() and part.isdecimal() and len(part) < 19]


def keep_trail(response: HttpResponse, project: Project, rows: list[int]) -> None:
    value = "-".join(str(row) for row in rows[-LENGTH:])
    path = reverse("review", args=[project.slug])
    response.set_cookie(COOKIE, value, path=path, httponly=True, samesite="Lax")
