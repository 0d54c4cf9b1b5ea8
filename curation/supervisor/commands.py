"""What `./run` can be asked for: start everything, run one management command, run the tests."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from . import postgres
from .application import DEFAULT, Application, local_trainer_url
from .environment import CHECKOUT, Settings, for_children, insist_on_free_port, of_the_stack, read_env_file
from .errors import StartError, Stopped
from .home import Home
from .logs import configure, log
from .postgres import THROWAWAY, Postgres
from .stack import Stack
from .valkey import Valkey


def start(application: Application = DEFAULT) -> int:
    """Run everything until asked to stop; returns the exit code."""
    environ = read_env_file(CHECKOUT / ".env") | os.environ
    settings = Settings.read(environ)
    home = Home(settings.home)
    if not home.try_lock():
        raise StartError(f"The application is already running with this data folder ({home.holder()}).")
    insist_on_free_port(settings)
    configure(home.logs / "supervisor.log", quiet=False)
    try:
        return _with_stack(home, lambda stack: _serve(stack, home, settings, environ, application))
    except Stopped:
        return 0


def _serve(stack: Stack, home: Home, settings: Settings, environ: Mapping[str, str], application: Application) -> int:
    environment = _start_servers(stack, home, settings, environ)
    _start_trainer(stack, settings, environment, application)
    _migrate(stack, environment, application)
    *serving, working = application.stages(settings, environment)
    for stage in serving:
        stack.start(stage)
    printed = _ensure_admin(stack, environment, application)
    stack.wait_until_ready()
    stack.start(working)  # last, or it would compete with them for the processor
    stack.wait_until_ready()
    home.write_state(settings.url, of_the_stack(environment))
    log.info("Ready: %s", settings.url)
    print(_how_to_log_in(printed, settings.url), flush=True)  # not logged: it may show a password
    stack.tend_until_stopped()
    log.info("Stopping")
    return 0


def manage(words: list[str], application: Application = DEFAULT) -> int:
    """Run a management command against the running stack, or with servers of its own when none runs."""
    environ = read_env_file(CHECKOUT / ".env") | os.environ
    settings = Settings.read(environ)
    home = Home(settings.home)
    command = [*application.manage, *words]
    if running := _environment_of_running_stack(home):
        os.chdir(_called_from())
        os.execvpe(command[0], command, environ | running)  # noqa: S606 - its terminal and exit code become ours
    configure(home.logs / "supervisor.log", quiet=True)

    def run(stack: Stack) -> int:
        environment = _start_servers(stack, home, settings, environ)
        _start_trainer(stack, settings, environment, application)
        _migrate(stack, environment, application)
        stack.wait_until_ready()
        return stack.run_command(command, environment, _called_from())

    return _with_stack(home, run)


def trainer(words: list[str]) -> int:
    """Become the local trainer, on port 8090 and in the data folder's place for it unless the words say otherwise."""
    environ = read_env_file(CHECKOUT / ".env") | os.environ
    settings = Settings.read(environ)
    home = Home(settings.home)
    environment = for_children(settings, home, environ)
    environment["CURATION_TRAINER"] = environ.get("CURATION_TRAINER") or "lora"
    command = [sys.executable, "-m", "jobs.trainer", "--home", str(home.path / "trainer"), "--port", "8090", *words]
    key = "in CURATION_TRAINER_KEY" if environ.get("CURATION_TRAINER_KEY") else f"in {home.path}/secrets/trainer_key"
    print(f"The trainer's key is {key}. See docs/trainer.md.", flush=True)
    os.execvpe(command[0], command, environment)  # noqa: S606 - its terminal, signals and exit code become ours


def test(words: list[str]) -> int:
    """Run pytest with throwaway servers, beside whatever else runs here. Its exit code is ours.

    The whole suite runs on every core, one file at a time on each; a part of it as its arguments say.
    """
    words = words or ["-n", "auto", "--dist", "loadfile"]
    with tempfile.TemporaryDirectory(prefix="curation-test-") as folder:
        return _test(words, Path(folder))


def _test(words: list[str], folder: Path) -> int:
    # A .env file is not read: tests must not land in the database it names.
    given = {name: value for name, value in os.environ.items() if name != "CURATION_TRAINER_URL"}
    settings = Settings.read(given | {"CURATION_HOME": str(folder)})
    home = Home(settings.home)
    configure(home.logs / "supervisor.log", quiet=True)

    def run(stack: Stack) -> int:
        environment = _start_servers(stack, home, settings, given, throwaway=True)
        environment["CURATION_PRIVATE_PROVIDERS"] = "127.0.0.0/8"  # where tests have their providers
        return stack.run_command([sys.executable, "-m", "pytest", *words], environment, CHECKOUT)

    try:
        return _with_stack(home, run)
    finally:
        postgres.remove(folder / "postgres")


def _with_stack(home: Home, work: Callable[[Stack], int]) -> int:
    """Whatever happens in `work`, what it started is stopped in order."""
    stack = Stack(home.logs)
    try:
        return work(stack)
    finally:
        home.forget_state()
        stack.stop()


def _start_servers(
    stack: Stack, home: Home, settings: Settings, environ: Mapping[str, str], *, throwaway: bool = False
) -> dict[str, str]:
    """Postgres and Valkey, unless others are given; returns the environment of everything that uses them."""
    environment = for_children(settings, home, environ)
    servers: list[Postgres | Valkey] = []
    if settings.database_url is None:
        options = THROWAWAY if throwaway else []
        servers.append(Postgres(home.path / "postgres", home.logs / "postgres.log", options))
        environment["DATABASE_URL"] = servers[-1].url
    if settings.broker_url is None:
        servers.append(Valkey(home.path / "valkey"))
        environment["REDIS_URL"] = servers[-1].url
    for server in servers:
        stack.start([server.service()])
    stack.wait_until_ready()
    return environment


def _start_trainer(stack: Stack, settings: Settings, environment: dict[str, str], application: Application) -> None:
    if settings.trainer_url is None:
        environment["CURATION_TRAINER_URL"] = local_trainer_url()
        stack.start([application.trainer(environment)])


def _migrate(stack: Stack, environment: Mapping[str, str], application: Application) -> None:
    stack.run_to_end("migrate", [*application.manage, "migrate", "--noinput"], environment, CHECKOUT)


def _ensure_admin(stack: Stack, environment: Mapping[str, str], application: Application) -> str:
    """What the command printed: nothing, the administrator's name, or name and password, which no file may hold."""
    with tempfile.TemporaryFile() as stdout:
        stack.run_to_end("ensure_admin", [*application.manage, "ensure_admin"], environment, CHECKOUT, stdout)
        stdout.seek(0)
        return stdout.read().decode()


def _environment_of_running_stack(home: Home) -> dict[str, str] | None:
    """None once we hold the folder ourselves. Waits for one who starts, stops or runs a command of his own."""
    told = False
    while not home.try_lock():
        if state := home.read_state():
            return dict(state["environment"])
        if not told:
            print(f"Waiting until the data folder is free ({home.holder()}) ...", file=sys.stderr)
            told = True
        time.sleep(0.1)
    return None


def _called_from() -> Path:
    return Path(os.environ.get("CURATION_CALLED_FROM") or os.getcwd())


def _how_to_log_in(printed: str, url: str) -> str:
    last_line = (printed.strip().splitlines() or [""])[-1]
    match last_line.split():
        case [name, password]:
            shown = f"Log in as {name} with the password {password}"
            return f"{shown} (shown only now; change it at {url}/account/password/)."
        case [name]:
            return f"Log in as {name} with the password in CURATION_ADMIN_PASSWORD."
        case _:
            return "Log in with your account. Forgotten? ./run manage changepassword NAME"
