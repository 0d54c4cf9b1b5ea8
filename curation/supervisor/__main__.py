"""`./run`: see HELP."""

import sys
from collections.abc import Callable

from . import commands
from .errors import StartError, Stopped

HELP = """\
./run                        start everything; Ctrl-C stops it in order
./run manage COMMAND ...     run a management command, whether the application runs or not (`./run manage help`)
./run test [ARGUMENTS ...]   run the tests on servers of their own; the arguments are pytest's
./run trainer [ARGUMENTS ...]
                             the local trainer alone, with language models (`./run trainer --help`)
./run --help                 this text

Settings are environment variables, explained in .env.example; a file .env here is read too. Mostly wanted:
CURATION_PORT (8000), CURATION_HOME (the data folder, var), CURATION_ADMIN_PASSWORD, DATABASE_URL, REDIS_URL;
CURATION_TRAINER=lora lets the local trainer tune language models too (docs/trainer.md)."""


def main(words: list[str]) -> int:
    match words:
        case []:
            return exit_code(commands.start)
        case ["manage", *rest]:
            return exit_code(lambda: commands.manage(rest))
        case ["test", *rest]:
            return exit_code(lambda: commands.test(rest))
        case ["trainer", *rest]:
            return exit_code(lambda: commands.trainer(rest))
        case ["-h" | "--help" | "help"]:
            print(HELP)
            return 0
        case _:
            print(f"run: there is no `{' '.join(words)}`.\n\n{HELP}", file=sys.stderr)
            return 2


def exit_code(command: Callable[[], int]) -> int:
    """Run `command`. What cannot be started is said in plain words, without a traceback."""
    try:
        return command()
    except StartError as error:
        print(f"run: {error}", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"run: {error}. Was the data folder used by another account? Set CURATION_HOME.", file=sys.stderr)
        return 1
    except Stopped as stopped:
        return 128 + stopped.signum
    except KeyboardInterrupt:  # while nothing ran yet
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
