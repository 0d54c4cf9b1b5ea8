"""What holds for the whole code base: who may import whom, migrations, addresses, the size of files."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.urls import get_resolver, resolve, reverse

ROOT = Path(settings.BASE_DIR)
OURS = ("curation", "jobs", "tests", "bench", "templates", "static")
MOST_LINES = 400
IN_ONE_FILE = {"curation/client.py"}  # programs elsewhere take it as it is
OF_A_PROJECT = [
    *["project_home", "project_settings", "key_new", "calls", "review", "review_undo", "datasets", "dataset_freeze"],
    *["exports", "finetunes", "finetune_new", "evaluations", "evaluation_new", "registry", "promote", "roll_back"],
    *["retraining", "retraining_start", "retraining_save"],
]
OF_A_ROW = {
    "call": {"call_id": "8f7f0c2e-0f4d-4c3a-9d4e-0c3c1f8f9a10"},
    "dataset": {"number": 1},
    "evaluation": {"pk": 1},
    "export_download": {"number": 1, "split": "train"},
    "finetune": {"pk": 1},
    "finetune_cancel": {"pk": 1},
    "review_exchange": {"exchange_id": 1},
    "review_exclude": {"exchange_id": 1},
    "review_include": {"exchange_id": 1},
    "review_later": {"exchange_id": 1},
}


def test_imports_go_the_allowed_way():
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.django_db
def test_migrations_say_what_the_models_say():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize("name", ["home", "login", "logout", "password_change", "health", "project_new", "demo_load"])
def test_pages_without_a_project_have_their_address(name):
    assert resolve(reverse(name)).url_name == name


@pytest.mark.parametrize("name", [*OF_A_PROJECT, *OF_A_ROW])
def test_pages_of_a_project_have_their_address_under_it(name):
    address = reverse(name, kwargs={"slug": "support", **OF_A_ROW.get(name, {})})
    assert address.startswith("/projects/support/")
    assert resolve(address).url_name == name


def test_no_name_is_given_to_two_addresses():
    names = [pattern.name for pattern in _patterns(get_resolver()) if pattern.name]
    assert sorted(names) == sorted(set(names))


def _patterns(resolver):
    for pattern in resolver.url_patterns:
        if not hasattr(pattern, "url_patterns"):
            yield pattern
        elif pattern.namespace is None:  # the admin has its own names
            yield from _patterns(pattern)


def _written_files():
    for folder in OURS:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".html", ".css", ".js", ".sql") and not {"vendor", "migrations"} & {*path.parts}:
                yield path


def test_no_file_has_grown_beyond_one_subject():
    long = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in _written_files()}
    assert {path: count for path, count in long.items() if count > MOST_LINES and path not in IN_ONE_FILE} == {}
