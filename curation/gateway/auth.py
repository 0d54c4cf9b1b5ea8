"""Who calls, and where their call goes: keys, providers and aliases, kept in memory and fresh to the last commit."""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from django.db import Error as DatabaseFailure
from django.db import close_old_connections, connection

from curation.egress import Reach
from curation.models import ApiKey, ModelAlias, Project, Provider, SealedKeyUnreadable

from .canary import is_its_turn
from .listening import Listener
from .refusals import Refusal

log = logging.getLogger(__name__)

CHANNEL = "curation_routing"
_LONGEST_KEY = 200
_FIRST_LOAD = 5.0  # seconds a call waits for the keys after a start
_RELOAD = 1.0  # seconds a call waits for what has just changed
_RETRY = 0.5


class Asking(NamedTuple):
    """Whose key it is, and what to wait for before that is sure (see Listener.fence)."""

    digest: str
    fence: asyncio.Future[None] | None


@dataclass(frozen=True)
class Caller:
    key_id: int
    project_id: int
    scopes: frozenset[str] = frozenset()
    requests_per_minute: int | None = None
    body_bytes: int | None = None  # the longest body; None as the gateway takes it

    def check(self, scope: str) -> None:
        """Raises Refusal for what the key is no good for."""
        if scope not in self.scopes:
            message = f"This key has no scope “{scope}”. Use another key, or make one in the settings of the project."
            raise Refusal(403, "missing_scope", message, kind="permission_error")


@dataclass(frozen=True)
class Target:
    """A provider, and the model to ask it for; None leaves the caller's choice as it is."""

    provider_id: int
    url: str  # ends in /v1
    key: str = field(repr=False)
    problem: str = ""  # why it cannot be called
    model: str | None = None
    reach: Reach = field(default=Reach(), repr=False)  # what a connection to it may lead to


@dataclass(frozen=True)
class Canary:
    """Another model that answers so many percent of an alias' calls."""

    target: Target
    share: int


@dataclass(frozen=True)
class Routes:
    """All keys and all ways, as of one moment."""

    callers: dict[str, Caller] = field(repr=False)  # by the key's digest
    defaults: dict[int, Target]  # by project
    aliases: dict[tuple[int, str], Target]  # by project and name
    canaries: dict[tuple[int, str], Canary] = field(default_factory=dict)  # by the same

    def target(self, project_id: int, model: str, wanted: dict[str, object] | None = None) -> Target:
        """Where a call for `model` goes; with what is `wanted`, to its canary where there is one and it is that one's
        turn. Raises Refusal when it can go nowhere.
        """
        canary = self.canaries.get((project_id, model)) if wanted is not None else None
        if canary and wanted is not None and is_its_turn(canary.target.model or "", canary.share, wanted):
            return canary.target
        target = self.aliases.get((project_id, model)) or self.defaults.get(project_id)
        if target is None:
            raise Refusal(404, "model_not_found", "This project has no alias of that name and no default provider.")
        if target.problem:
            raise Refusal(503, "provider_key_unreadable", target.problem, kind="server_error")
        return target

    def names(self, project_id: int) -> list[str]:
        """The names a project's callers can use instead of a model."""
        return [name for project, name in self.aliases if project == project_id]


def load_routes() -> Routes:
    """Read everything. It is little and changes seldom; reading all of it is simpler than knowing what changed."""
    providers = {provider.pk: _target(provider) for provider in Provider.objects.filter(project__archived_at=None)}
    aliases = list(ModelAlias.objects.all())
    return Routes(
        callers={
            digest: Caller(key_id, project_id, frozenset(scopes), per_minute, kilobytes and kilobytes << 10)
            for digest, key_id, project_id, scopes, per_minute, kilobytes in ApiKey.objects.live().values_list(
                "digest", "pk", "project_id", "scopes", "requests_per_minute", "body_kilobytes"
            )
        },
        defaults={
            project_id: providers[provider_id]
            for project_id, provider_id in Project.objects.values_list("pk", "default_provider_id")
            if provider_id in providers
        },
        aliases={
            (alias.project_id, alias.name): _with_model(providers[alias.provider_id], alias.model)
            for alias in aliases
            if alias.provider_id in providers
        },
        canaries={
            (alias.project_id, alias.name): Canary(_with_model(target, alias.canary_model), alias.canary_share)
            for alias in aliases
            if (target := providers.get(alias.canary_provider_id or 0)) and not target.problem
        },
    )


def _target(provider: Provider) -> Target:
    try:
        return Target(provider.pk, provider.url, provider.open_key(), reach=provider.reach)
    except SealedKeyUnreadable as error:
        return Target(provider.pk, provider.url, "", problem=str(error))


def _with_model(target: Target, model: str) -> Target:
    return replace(target, model=model)


class Memory(Protocol):
    """What outlives the process."""

    def keep(self, routes: Routes) -> None: ...

    def recall(self) -> Routes | None: ...


class Directory:
    """Keeps Routes in memory. While the database is away, what was known last goes on to be true."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._listener = Listener(CHANNEL, _connection_parameters(), self._changed)
        self._routes: Routes | None = None
        self._changes = 0
        self._loaded_changes = -1
        self._is_failing = False
        self._wanted = asyncio.Event()
        self._loaded = asyncio.Condition()
        self._thread = ThreadPoolExecutor(1, "routes")

    async def start(self) -> None:
        self._wanted.set()
        self._tasks = [asyncio.create_task(self._listener.run_forever()), asyncio.create_task(self._load_forever())]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._thread.submit(connection.close)
        self._thread.shutdown()

    def ask(self, key: str) -> Asking:
        """Begins to ask whose key it is. A request's work that depends on nothing is done while that is under way."""
        return Asking(ApiKey.digest_of(key) if len(key) <= _LONGEST_KEY else "", self._listener.fence())

    def known(self, asking: Asking) -> Caller | None:
        """Who calls, as far as is known without waiting."""
        return self._routes.callers.get(asking.digest) if self._routes else None

    async def caller(self, asking: Asking) -> tuple[Caller, Routes]:
        """With every change that was committed before it was asked. Raises Refusal for a key that is none of ours, and
        before anything could be read.
        """
        if asking.fence is not None:
            await asking.fence
        if self._loaded_changes < self._changes and not self._is_failing:
            await self._wait_for_load()
        if self._routes is None:
            raise unavailable()
        caller = self.known(asking)
        if caller is None:
            if not self._listener.is_connected:
                raise unavailable()  # it may have been made since the database went away
            raise Refusal(
                401,
                "invalid_api_key",
                "This is not a valid API key of this service. Make one in the settings of a project.",
                headers=[(b"www-authenticate", b"Bearer")],
            )
        return caller, self._routes

    def _changed(self) -> None:
        self._changes += 1
        self._wanted.set()

    async def _wait_for_load(self) -> None:
        changes = self._changes
        try:
            async with asyncio.timeout(_RELOAD if self._routes else _FIRST_LOAD), self._loaded:
                await self._loaded.wait_for(lambda: self._loaded_changes >= changes or self._is_failing)
        except TimeoutError:
            log.warning("Keys and routes were not read in time; calls go on with those known so far")

    async def _load_forever(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            changes = self._changes
            try:
                routes = await asyncio.get_running_loop().run_in_executor(self._thread, self._read)
            except DatabaseFailure as error:
                if not self._is_failing:
                    log.warning("Keys and routes cannot be read: %s", str(error).strip())
                self._is_failing = True
                self._routes = self._routes or self._memory.recall()
            else:
                self._routes, self._loaded_changes, self._is_failing = routes, changes, False
            async with self._loaded:
                self._loaded.notify_all()
            if self._is_failing:
                await asyncio.sleep(_RETRY)
                self._wanted.set()

    def _read(self) -> Routes:
        routes = _load()
        self._memory.keep(routes)
        return routes


def _load() -> Routes:
    started = time.monotonic()
    close_old_connections()
    try:
        routes = load_routes()
    except DatabaseFailure:
        connection.close()
        raise
    log.debug("%d keys read in %.0f ms", len(routes.callers), (time.monotonic() - started) * 1000)
    return routes


def _connection_parameters() -> dict[str, object]:
    parameters = connection.get_connection_params()
    wanted = ("host", "port", "dbname", "user", "password", "options", "sslmode", "sslrootcert", "sslcert", "sslkey")
    return {name: parameters[name] for name in wanted if parameters.get(name)} | {"connect_timeout": 5}


def unavailable() -> Refusal:
    return Refusal(
        503,
        "keys_unavailable",
        "Keys cannot be checked just now. Try again in a moment.",
        kind="server_error",
        headers=[(b"retry-after", b"1")],
    )
