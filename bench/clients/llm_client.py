"""llm: the command, with the service in extra-openai-models.yaml."""

import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from checks import API_KEY, BASE_URL, MODEL, check, finish

MODELS = f"""
- model_id: curated
  model_name: {MODEL}
  api_base: {BASE_URL}
  api_key_name: curation
  supports_schema: true
"""
SCHEMA = '{"type": "object", "properties": {"city": {"type": "string"}}}'


def llm(home: str, *words: str) -> str:
    command = [str(Path(sys.executable).with_name("llm")), "prompt", "-m", "curated", "-s", "Be brief.", *words]
    environment = os.environ | {"LLM_USER_PATH": home}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()


with tempfile.TemporaryDirectory() as home:
    Path(home, "extra-openai-models.yaml").write_text(MODELS)
    Path(home, "keys.json").write_text(f'{{"curation": "{API_KEY}"}}')
    check("stream", lambda: llm(home, "a b c"), "a b c")
    check("--no-stream", lambda: llm(home, "--no-stream", "hello"), "hello")
    check("--schema", lambda: llm(home, "--no-stream", "--schema", SCHEMA, "x"), '{"city":"Oslo","degrees":3}')
finish(f"llm {version('llm')}")
