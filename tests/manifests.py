"""A grid for tests of Job manifests, and a cluster block in which everything is set."""

from __future__ import annotations

from pathlib import Path

from tests.grids import grid, inventory
from xtl.plan import Plan, build

STORE = "s3://bucket/prefix"

GRID = """\
name: golden
model: tiny
seeds: [1]
intermediates: [none, "xnli@de:50"]
targets: [{task: xnli, languages: [en, de]}]
precision: fp32
store: s3://bucket/prefix
"""

EVERYTHING = """\
cluster:
  namespace: research
  image: registry.example/team/xtl:1.2
  imagePullSecrets: [registry]
  serviceAccount: xtl-stage
  queue: team-a
  priority: batch-low
  gpu: {resource: nvidia.com/mig-3g.40gb, simulated: true}
  cpu: 1.5
  memory: 6Gi
  scratch: 40Gi
  shm: 4Gi
  cache: hub-cache
  grace: 5m
  ttl: 2d
  tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]
  nodeSelector: {topology.kubernetes.io/zone: eu-1a}
  store: {secret: xtl-store, endpoint: "https://s3.example:9000", region: eu-central-1}
  hub: {tokenSecret: hub, endpoint: "https://hub.example"}
  patch:
    - {op: add, path: /spec/template/spec/runtimeClassName, value: nvidia}
"""


def plan(folder: Path, cluster: str = "") -> Plan:
    """The plan of that grid with this cluster block."""
    found = grid(GRID + cluster, folder)
    return build(found, inventory(found))
