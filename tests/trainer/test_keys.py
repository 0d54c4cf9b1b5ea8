"""Each key sees its own files, jobs and models, and nobody else's."""

import sqlite3
from pathlib import Path

import pytest
from openai import AuthenticationError, BadRequestError, NotFoundError, OpenAI

from jobs.trainer.keys import key_for
from jobs.trainer.store import OWNED, SCHEMA_1, Store
from tests.trainer.conftest import KEY, Trainer
from tests.trainer.corpus import desk, examples, jsonl


def test_two_clients_of_one_trainer_do_not_meet(trainer: Trainer) -> None:
    first, second = trainer.client_of("provider-1"), trainer.client_of("provider-2")
    file = first.files.create(file=("a.jsonl", jsonl(examples(desk(20)))), purpose="fine-tune").id
    job = first.fine_tuning.jobs.create(model="baseline", training_file=file, hyperparameters={"n_epochs": 1}).id
    done = trainer.until(lambda: first.fine_tuning.jobs.retrieve(job), lambda seen: seen.status == "succeeded")
    assert done.fine_tuned_model
    for other in (second, trainer.client):
        assert file not in [found.id for found in other.files.list()]
        assert job not in [found.id for found in other.fine_tuning.jobs.list()]
        assert done.fine_tuned_model not in [model.id for model in other.models.list()]
        for ask, name in (
            (other.files.retrieve, file), (other.files.content, file), (other.files.delete, file),
            (other.files.content, done.result_files[0]), (other.fine_tuning.jobs.retrieve, job),
            (other.fine_tuning.jobs.cancel, job), (other.fine_tuning.jobs.pause, job),
            (other.fine_tuning.jobs.list_events, job), (other.fine_tuning.jobs.checkpoints.list, job),
            (other.models.retrieve, done.fine_tuned_model), (other.models.delete, done.fine_tuned_model),
        ):  # fmt: skip
            with pytest.raises(NotFoundError):
                ask(name)
        with pytest.raises(NotFoundError, match="does not exist or you do not have access to it"):
            other.chat.completions.create(model=done.fine_tuned_model, messages=[{"role": "user", "content": "hi"}])
        with pytest.raises(BadRequestError, match="No such File object") as refusal:
            other.fine_tuning.jobs.create(model="baseline", training_file=file)
        assert refusal.value.param == "training_file"
    messages = [{"role": "user", "content": "help, my backpack is lost"}]
    answer = first.chat.completions.create(model=done.fine_tuned_model, messages=messages)  # type: ignore[arg-type]
    assert answer.choices[0].message.content == "Your suitcase is traced at the baggage desk."


@pytest.mark.parametrize(
    "key",
    [
        key_for("a-main-key-of-nobody", "provider-1"),
        f"provider-2.{key_for(KEY, 'provider-1').rpartition('.')[2]}",
        key_for(KEY, "provider-1")[:-1],
        key_for(KEY, "provider/1"),
        f".{key_for(KEY, '').rpartition('.')[2]}",
    ],
)
def test_a_key_that_was_not_made_from_a_main_key_opens_nothing(trainer: Trainer, key: str) -> None:
    with pytest.raises(AuthenticationError, match="Incorrect API key"):
        OpenAI(base_url=trainer.base_url, api_key=key, max_retries=0).models.list()


def test_what_was_made_before_keys_were_told_apart_is_everybodys(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "trainer.sqlite3")
    old.executescript(f"BEGIN; {SCHEMA_1} PRAGMA user_version = 1; COMMIT;")
    old.execute("INSERT INTO files VALUES (1, 'file-old', 1, 'a.jsonl', 'fine-tune', 3)")
    old.commit()
    old.close()
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "file-old").write_text("old")
    store = Store(tmp_path)
    assert store.row(f"SELECT id FROM files WHERE {OWNED}", "anybody") == {"id": "file-old"}
    store.close()
    Store(tmp_path).close()
