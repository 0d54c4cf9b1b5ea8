"""Captured text as a file."""

from django.http import Http404, HttpResponse


def text_file(text: str | None, name: str) -> HttpResponse:
    """The text whole and as it is, in a form that no browser will take for a page. Raises Http404 without a text."""
    if text is None:
        raise Http404("There is no such text.")
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.txt"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
