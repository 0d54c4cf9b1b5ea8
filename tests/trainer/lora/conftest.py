"""A language model small enough for tests, made here, and a trainer that offers it.

These tests need the packages of requirements-trainer.txt. Without them they are skipped with the reason, or fail where
CURATION_REQUIRE_LORA is 1.
"""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.trainer.conftest import Trainer

TINY = "tiny"
SMOLLM2 = "SmolLM2-135M-Instruct"
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="session", autouse=True)
def needs_the_packages() -> None:
    if find_spec("peft") is None:
        if os.environ.get("CURATION_REQUIRE_LORA") == "1":
            pytest.fail("The packages of requirements-trainer.txt are missing.")
        pytest.skip("The packages of requirements-trainer.txt are missing: CURATION_TRAINER=lora ./run test")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a Llama of two layers and random weights, that reads and writes bytes."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

    folder = tmp_path_factory.mktemp("tiny") / "model"
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(BPE(vocab={letter: at for at, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>"],
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    set_seed(1)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        eos_token_id=fast.eos_token_id,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def settings(tiny_model: Path) -> dict[str, str]:
    return {"CURATION_TRAINER": "lora", "CURATION_TRAINER_MODELS": f"{TINY}={tiny_model}"}


@pytest.fixture(scope="session")
def lora_trainer(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainer]:
    """One trainer for the tests that leave it running."""
    running = Trainer(tmp_path_factory.mktemp("lora") / "home", settings(tiny_model))
    yield running
    running.end()
