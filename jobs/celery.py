"""The Celery application: `celery -A jobs.celery worker` and `… beat`."""

import os

from celery import Celery

from .queues import DEFAULT, QUEUES, route

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "curation.settings")

app = Celery("curation")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(task_default_queue=DEFAULT, task_queues=QUEUES, task_routes=(route,))
app.autodiscover_tasks(["jobs"])
