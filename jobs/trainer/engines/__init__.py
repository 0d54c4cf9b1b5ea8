"""The engines this trainer has, by the id of the base model each of them tunes.

`baseline` is always there. CURATION_TRAINER=lora adds language models: SmolLM2 and what CURATION_TRAINER_MODELS names.
"""

import os
from functools import cache
from importlib import import_module

from jobs.trainer.engines.base import Engine, EngineMissing

BASELINE = "baseline"


@cache
def base_models() -> dict[str, str]:
    """Id of each base model → its engine: module, class and what the class is made with. Raises EngineMissing."""
    offered = {BASELINE: "jobs.trainer.engines.baseline.engine:Baseline"}
    wanted = os.environ.get("CURATION_TRAINER") or BASELINE
    if wanted not in (BASELINE, "lora"):
        raise EngineMissing(f"CURATION_TRAINER={wanted} is no engine; there are {BASELINE} and lora.")
    if wanted == "lora":
        from jobs.trainer.engines.lora.bases import bases

        offered |= {name: f"jobs.trainer.engines.lora.engine:Lora:{path}" for name, path in bases().items()}
    return offered


def engine_of(base_model: str) -> Engine:
    """The engine behind a base model. Imported on demand, so that the server starts without numerical libraries.

    Raises KeyError for a base model that is not here."""
    module, name, *arguments = base_models()[base_model].split(":", 2)
    engine: Engine = getattr(import_module(module), name)(*arguments)
    return engine
