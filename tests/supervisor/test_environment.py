"""What the supervisor makes of the variables it is given."""

import re

import pytest

from curation.supervisor.environment import CHECKOUT, Settings, of_the_stack, read_env_file


def test_the_example_file_sets_nothing_and_names_what_the_supervisor_reads(tmp_path):
    example = CHECKOUT / ".env.example"
    assert read_env_file(example) == {}

    uncommented = tmp_path / ".env"
    uncommented.write_text("\n".join(line.removeprefix("#") for line in example.read_text().splitlines()))
    names = set(read_env_file(uncommented))
    assert {"CURATION_HOST", "CURATION_PORT", "CURATION_HOME", "CURATION_ADMIN_PASSWORD"} <= names
    assert {"DATABASE_URL", "REDIS_URL", "CURATION_TRAINER_URL", "CURATION_TRAINER_KEY"} <= names
    assert {"CURATION_SECRET_KEY", "CURATION_SEALING_KEY"} <= names


def test_the_example_file_explains_every_variable_of_the_application():
    read = set(re.findall(r"\b(?:CURATION|DATABASE|REDIS)_[A-Z_]+", (CHECKOUT / "curation/settings.py").read_text()))
    written = set(re.findall(r"^#([A-Z_]+)=", (CHECKOUT / ".env.example").read_text(), re.MULTILINE))

    assert not read - written


def test_a_settings_file(tmp_path):
    file = tmp_path / ".env"
    file.write_text("# a comment\n\nCURATION_PORT = 8001\nDATABASE_URL='postgresql://a@b/c?d=e'\nexport nothing\n")

    assert read_env_file(file) == {"CURATION_PORT": "8001", "DATABASE_URL": "postgresql://a@b/c?d=e"}
    assert read_env_file(tmp_path / "missing") == {}


def test_nothing_given():
    settings = Settings.read({"DATABASE_URL": "", "CURATION_PORT": ""})

    assert (settings.home, settings.url) == (CHECKOUT / "var", "http://127.0.0.1:8000")
    assert (settings.database_url, settings.broker_url, settings.trainer_url) == (None, None, None)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("[::1]", "http://[::1]:8000"),
        ("localhost", "http://localhost:8000"),
    ],
)
def test_the_address_for_a_browser(host, url):
    assert Settings.read({"CURATION_HOST": host}).url == url


def test_other_commands_are_told_of_the_stack_and_not_of_the_rest():
    environment = {"CURATION_HOME": "/h", "DATABASE_URL": "d", "REDIS_URL": "r", "PATH": "/bin", "OPENAI_API_KEY": "k"}

    assert of_the_stack(environment) == {"CURATION_HOME": "/h", "DATABASE_URL": "d", "REDIS_URL": "r"}
