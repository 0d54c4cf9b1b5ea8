"""A Celery application with one task, set up as ours is where it matters for a broker that restarts."""

import os
import time
from pathlib import Path
from urllib.parse import urlsplit

from celery import Celery

app = Celery("standin", broker=f"redis+socket://{urlsplit(os.environ['REDIS_URL']).path}?virtual_host=0")
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)


@app.task
def work(folder: str, seconds: float) -> None:
    """Leaves `begun` while it works and `done` when it has finished."""
    Path(folder, "begun").touch()
    time.sleep(seconds)
    Path(folder, "done").touch()
