"""A language model and its tokenizer from files of this machine, and where they compute."""

import os
import warnings
from pathlib import Path
from typing import Any

# Before transformers is imported: a missing file must be an error, not a download.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from jobs.trainer.engines.base import EngineMissing

transformers.utils.logging.disable_progress_bar()
warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


def device() -> torch.device:
    """A GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def take_threads() -> None:
    """As many threads as CURATION_TRAINER_THREADS says, one for each processor unless it does."""
    torch.set_num_threads(int(os.environ.get("CURATION_TRAINER_THREADS") or os.cpu_count() or 1))


def has_bf16() -> bool:
    """Whether this machine computes with bfloat16 in hardware, so that it is faster than float32."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def load(path: str) -> tuple[Any, Any]:
    """Tokenizer and model, in float32. Weights come from GGUF or safetensors only, and no code beside them is run.

    Raises EngineMissing when the files are no such model."""
    place = Path(path)
    folder, options = (place.parent, {"gguf_file": place.name}) if place.suffix == ".gguf" else (place, {})
    shared = {"local_files_only": True, "trust_remote_code": False, **options}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **shared)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, use_safetensors=True, **shared)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise EngineMissing(f"The model at {place} cannot be loaded: {str(error)[:300]}") from error
    if not tokenizer.chat_template:
        raise EngineMissing(f"The model at {place} has no chat template, so it does not know how a chat is written.")
    return tokenizer, model.to(device())
