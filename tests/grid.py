"""Grid files for tests: a whole one, the smallest one, and the mistakes that loading finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from xtl.errors import GridError
from xtl.grid import load

GOOD = """\
name: english-vs-german
model: FacebookAI/xlm-roberta-large
seeds: [1, 2, 3]
intermediates:
  - none
  - mnli
  - xnli@de
  - tydiqa@ko:1625
  - {name: multi, tasks: [mnli, squad_v2, hellaswag], mix: {cap: 131072}}
  - {name: mnli-mlm, tasks: [mnli, mlm@all]}
targets: all
contrasts:
  - {name: german, arm: xnli@de, against: mnli}
train:
  preset: jiant
  intermediate: {default: {}, mnli: {epochs: 2}, multi: {lr: 0}}
  target: {default: {}, tydiqa: {epochs: 3, lr: 1e-5}}
precision: bf16
checkpoints: [target-dev]
data: hub
store: s3://bucket/prefix/
cluster: {namespace: research, image: "ghcr.io/x/xtl:1", queue: team-a, gpu: {resource: nvidia.com/gpu}, cpu: 8,
          memory: 48Gi, grace: 120s, hub: {tokenSecret: hf, endpoint: "https://huggingface.co"},
          patch: [{op: add, path: /spec/x, value: 1}]}
"""

MINIMAL = "name: a\nmodel: tiny\nseeds: [1]\nintermediates: [none]\ntargets: [xnli]\n"


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "g.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def problems(path: Path) -> list[str]:
    """Every mistake as `LINE: what`. That each begins with the file as it was spelled is checked on the way."""
    with pytest.raises(GridError) as caught:
        load(path)
    assert caught.value.status == 2
    assert all(problem.startswith(f"{path}:") for problem in caught.value.problems)
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]
