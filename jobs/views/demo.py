from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from curation.models import User
from jobs import tasks
from jobs.demo import DemoError, check_trainer


@require_POST
def load(request: HttpRequest) -> HttpResponse:
    """Have a worker bring the demo projects; the visitor will own them."""
    try:
        check_trainer()
    except DemoError as error:
        messages.error(request, str(error))
    else:
        tasks.request_demo(cast(User, request.user))
        messages.info(request, "The demo projects are being made: their prompts are really sent. They show up here.")
    return redirect("home")
