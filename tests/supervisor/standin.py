"""The supervisor with a small application in place of ours: real servers, real processes, a start of about a second.

Run as a module from the checkout: alone it starts, `manage COMMAND …` runs a command of standin_application.py.
"""

import os
import signal
import sys
from pathlib import Path

from curation.supervisor import commands
from curation.supervisor.__main__ import exit_code
from curation.supervisor.application import Application, answers
from curation.supervisor.environment import CHECKOUT
from curation.supervisor.service import Service

PROGRAM = [sys.executable, str(Path(__file__).with_name("standin_application.py"))]
CELERY = [sys.executable, "-m", "celery", "-A", "tests.supervisor.standin_celery", "worker", "--concurrency", "1"]
WORKERS = {
    "sleeping": ["sleep", "3600"],
    "stubborn": ["sh", "-c", "trap '' TERM; while sleep 1; do :; done"],
    "celery": [*CELERY, "--without-gossip", "--without-mingle"],
}


def web_server(name, url, environment):
    words = [*PROGRAM, "web", url.rsplit(":", 1)[1].removesuffix("/v1")]
    if os.environ.get("STANDIN_BROKEN") == name:
        words = ["sh", "-c", "echo there is no module of that name; exit 3"]
    return Service(name=name, argv=words, environment=environment, folder=CHECKOUT, ready=lambda: answers(url))


def trainer(environment):
    return web_server("trainer", environment["CURATION_TRAINER_URL"], environment)


def stages(settings, environment):
    words = WORKERS[os.environ.get("STANDIN_WORKER", "sleeping")]
    worker = Service(name="worker", argv=words, environment=environment, folder=CHECKOUT, death_signal=signal.SIGKILL)
    return [[web_server("web", settings.url, environment)], [worker]]


APPLICATION = Application([*PROGRAM, "manage"], trainer, stages)

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["manage", *words]:
            sys.exit(exit_code(lambda: commands.manage(words, APPLICATION)))
        case []:
            sys.exit(exit_code(lambda: commands.start(APPLICATION)))
