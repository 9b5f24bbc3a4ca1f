"""Entry point of every stage, on a cluster and on one machine: `python -m jobs.stage --store URL --key KEY`.

Reads the spec, checks the parents, runs the kind, commits the manifest, and exits with a code of xtl/errors.py: 0
committed (or already committed), 42 it can never work, 143 stopped with its state saved, anything else: try again.
"""

from __future__ import annotations

import time

STARTED = time.time()

from jobs import stop  # noqa: E402

if __name__ == "__main__":
    stop.install()

import argparse  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import platform  # noqa: E402
import shutil  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import traceback  # noqa: E402
import uuid  # noqa: E402
from collections.abc import Mapping  # noqa: E402
from contextlib import suppress  # noqa: E402
from importlib import import_module, metadata  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from jobs.context import Context, Heartbeat, log  # noqa: E402
from jobs.needs import needs  # noqa: E402
from xtl.errors import EXIT_COMMITTED, EXIT_RETRY, EXIT_STOPPED, Stopped, StoreError, UserError, XtlError  # noqa: E402
from xtl.keys import parent_keys, stage_key  # noqa: E402
from xtl.store import commit, layout, open_store, resume  # noqa: E402
from xtl.store.base import Store  # noqa: E402
from xtl.store.cache import Cache  # noqa: E402

#: Which module runs a kind; each has `run(context) -> dict`, the manifest's body.
KINDS = {"fetch": "jobs.fetch", "intermediate": "jobs.intermediate", "target": "jobs.target", "reduce": "jobs.reduce"}

#: The phases that a GPU is there for.
USEFUL = ("training", "evaluating")

#: What the last heartbeat says of an attempt that ended so; of any other, that it failed.
ENDED = {EXIT_COMMITTED: "committed", EXIT_STOPPED: "stopped"}


def main(arguments: list[str] | None = None) -> int:
    """Run one attempt; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m jobs.stage", description=__doc__)
    parser.add_argument("--store", default=os.environ.get("XTL_STORE"), help="the store's URL (or XTL_STORE)")
    parser.add_argument("--key", default=os.environ.get("XTL_KEY"), help="the stage's key (or XTL_KEY)")
    parser.add_argument("--attempt", default=os.environ.get("XTL_ATTEMPT"), help="names this attempt; a pod's uid")
    parser.add_argument("--work", default=os.environ.get("XTL_WORK"), help="scratch folder (default: a temporary one)")
    options = parser.parse_args(arguments)
    if not options.store or not options.key:
        parser.error("--store and --key are needed")
    attempt = options.attempt or uuid.uuid4().hex
    try:
        if options.work:
            Path(options.work).mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f"xtl-{options.key[:12]}-", dir=options.work))
        handlers = _log_to(work / "log.txt")
    except OSError as error:
        print(f"cannot write to the scratch folder: {error}", file=sys.stderr)
        return EXIT_RETRY
    try:
        return _attempt(options.store, options.key, attempt, work)
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()
        shutil.rmtree(work, ignore_errors=True)


def _attempt(url: str, key: str, attempt: str, work: Path) -> int:
    heartbeat, status = None, EXIT_RETRY
    try:
        stop.check()  # told while we imported: the store, which may be away, need not be asked
        store = open_store(url)
        heartbeat = Heartbeat(store, key, attempt, work / "log.txt")
        _run(store, key, attempt, work, heartbeat)
        status = EXIT_COMMITTED
    except Stopped as error:
        log.info("%s", error)
        status = error.pod_status
    except XtlError as error:
        log.error("%s", error)
        status = error.pod_status
    except OSError as error:
        log.error("%s", error)
        log.debug("%s", traceback.format_exc())
    except Exception:
        log.error("unexpected error\n%s", traceback.format_exc())
    if heartbeat:
        heartbeat.close(ENDED.get(status, "failed"))
    return status


def _run(store: Store, key: str, attempt: str, work: Path, heartbeat: Heartbeat) -> None:
    spec, where = _spec(store, key)
    found = commit.read_manifest(store, key)
    if found is not None and not commit.verify(store, found, hashes=False):
        log.info("already committed by attempt %s", found["attempt"])
        return
    missing = [parent for parent in parent_keys(spec) if commit.read_manifest(store, parent) is None]
    if missing and spec["kind"] != "reduce":
        raise StoreError(f"parents not committed: {', '.join(k[:12] for k in missing)}; run them first")
    out = work / "out"
    out.mkdir()
    context = Context(
        key=key,
        attempt=attempt,
        spec=spec,
        where=where,
        store=store,
        out=out,
        work=work,
        heartbeat=heartbeat,
        started=STARTED,
        cache=Cache.from_environment(),
    )
    log.info("stage %s: %s", key[:12], spec["kind"])
    try:
        _work(context)
    finally:
        if context.cache:
            context.cache.close()


def _work(context: Context) -> None:
    stop.check()
    context.expect(needs(context.spec))
    kind = import_module(KINDS[context.spec["kind"]])
    stop.check()  # torch took seconds to import
    body = kind.run(context)
    if body is None:
        log.info("a partial report is written; rows are missing, so nothing is committed")
        return
    context.heartbeat.say("committing")
    uploaded = context.uploaded()
    committed = commit.commit(
        context.store, context.key, context.attempt, context.out, _body(context, body), uploaded=uploaded
    )
    log.info("committed by %s", "another attempt" if committed.already else "this attempt")
    resume.clear(context.store, context.key)


def _spec(store: Store, key: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    stage = commit.get_json(store, layout.spec_name(key))
    if stage is None:
        raise UserError(f"no spec for stage {key[:12]} in {store.url}: run `xtl run` or `xtl submit` with its grid")
    if stage_key(stage["spec"]) != key:
        raise UserError(f"the spec of stage {key[:12]} does not hash to its key: made by another version of xtl?")
    return stage["spec"], stage.get("where", {})


def _body(context: Context, body: Mapping[str, Any]) -> dict[str, Any]:
    """What every manifest has. seconds: wall time by phase, `total`, and up to the end of the `first_step`; beside: the
    share of the total that was neither training nor evaluating."""
    spent = time.time() - STARTED
    first_step = {} if context.first_step is None else {"first_step": context.first_step}
    return {
        "spec": context.spec,
        "kind": context.spec["kind"],
        **body,
        "seconds": {**context.seconds, "total": spent, **first_step},
        "beside": round(1 - sum(context.seconds.get(phase, 0.0) for phase in USEFUL) / spent, 4),
        "counted": context.counted,
        "provenance": {**_versions(), **body.get("provenance", {})},
    }


#: Whose versions a result may hang on.
PACKAGES = ("xtl", "torch", "transformers", "tokenizers", "datasets", "accelerate", "peft", "pyarrow", "numpy",
            "safetensors")  # fmt: skip


def _versions() -> dict[str, Any]:
    packages = {}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            packages[name] = metadata.version(name)
    return {
        "python": platform.python_version(),
        "packages": packages,
        "processor": _processor(),
        "cpus": os.cpu_count(),
    }


def _processor() -> str:
    """The processor's name: on CPU, equal bytes are promised for equal processors only."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _log_to(path: Path) -> list[logging.Handler]:
    form = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    log.setLevel(logging.INFO)
    handlers: list[logging.Handler] = [logging.FileHandler(path, encoding="utf-8"), logging.StreamHandler(sys.stderr)]
    for handler in handlers:
        handler.setFormatter(form)
        log.addHandler(handler)
    return handlers


if __name__ == "__main__":
    sys.exit(main())
