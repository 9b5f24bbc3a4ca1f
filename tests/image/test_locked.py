"""What holds in a container locked as a pod is: a number for a user, a root that cannot be written, no network."""

from __future__ import annotations

import json
import os
import re

import pytest

from tests.commands import commands
from tests.image.engine import CLI, RUNTIME, Engine
from tests.readme import ROOT

USER = """
import getpass, json, os, pwd, socket
def refused(what, *errors):
    try:
        what()
    except errors as error:
        return type(error).__name__
def write(path):
    return lambda: open(path, "w").close()
print(json.dumps({
    "ids": [os.getuid(), os.getgid()],
    "name": refused(lambda: pwd.getpwuid(os.getuid()), KeyError),
    "root": refused(write("/written"), OSError), "code": refused(write("/opt/xtl/written"), OSError),
    "tmp": refused(write("/tmp/written"), OSError),
    "network": refused(lambda: socket.create_connection(("192.0.2.1", 80), 2), OSError),
}))
"""
#: Every command's module, and what it imports only once it is called: all of xtl that is not for stages.
LIGHT = """
import importlib, importlib.util, pkgutil, xtl.cli
for module in pkgutil.iter_modules(xtl.cli.__path__):
    importlib.import_module(f"xtl.cli.{module.name}")
for name in ("plan", "render", "submit", "controller", "daemon", "observe", "cluster", "store.s3", "report.study"):
    importlib.import_module(f"xtl.{name}")
print([name for name in ("torch", "transformers", "pyarrow") if importlib.util.find_spec(name)])
"""
PLAN = """
cd /tmp && printf %s "$GRID" > grid.yaml && xtl data demo data >&2 && xtl plan grid.yaml -o json
"""
#: torch's build, and where the base's own pip looks beside PyPI.
TORCH = """
import json, platform, subprocess, sys, torch
said = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
own = [line for line in said.splitlines() if ".find-links=" in line or "index-url=" in line]
print(json.dumps([torch.__version__, torch.version.cuda, platform.machine(), ", ".join(own)]))
"""
#: As in names of variables, and as keys of common makers look.
SECRET_NAMES = re.compile(r"(SECRET|TOKEN|PASSWORD|CREDENTIALS|ACCESS_KEY|API_?KEY)$", re.IGNORECASE)
SECRET_VALUES = re.compile(r"AKIA[A-Z0-9]{16}|hf_[A-Za-z0-9]{30}|PRIVATE KEY|://[^/\s:]+:[^/\s@]+@")
CLI_BYTES = 350e6

BOTH = pytest.mark.parametrize("image", [RUNTIME, CLI])


@BOTH
def test_the_user_is_a_number_and_nothing_but_tmp_can_be_written(image: str, engine: Engine) -> None:
    ended = engine.run(image, "-c", USER, entrypoint="python")
    assert ended.status == 0, ended
    found = json.loads(ended.out)
    assert found["ids"] == [10001, 10001]
    assert {what for what, error in found.items() if error is None} == {"tmp"}


def test_a_stage_says_what_it_takes(engine: Engine) -> None:
    ended = engine.run(RUNTIME)
    assert ended.status == 0, ended
    assert "--store" in ended.out
    assert "--key" in ended.out


def test_a_stage_without_its_spec_is_no_traceback(engine: Engine) -> None:
    ended = engine.run(RUNTIME, "python", "-m", "jobs.stage", "--store", "/tmp/store", "--key", "0" * 64)
    assert ended.status == 42, ended
    assert "no spec" in ended.err
    assert "Traceback" not in ended.err


def test_every_command_of_the_control_plane_shows_its_help_without_torch(engine: Engine) -> None:
    lines = [" ".join([*words, "--help"]) for words, _ in commands()]
    script = "\n".join(["set -e", "xtl --help", *(f"xtl {line} > /dev/null" for line in lines)])
    ended = engine.run(CLI, "-c", script, entrypoint="sh")
    assert ended.status == 0, ended
    assert "plan" in ended.out
    light = engine.run(CLI, "-c", LIGHT, entrypoint="python")
    assert light.status == 0, light
    assert light.out == "[]\n"


@BOTH
def test_a_study_on_data_made_inside_is_planned(image: str, engine: Engine) -> None:
    grid = (ROOT / "grids/demo.yaml").read_text(encoding="utf-8").replace("../demo-study/", "")
    ended = engine.run(image, "-c", PLAN, entrypoint="sh", env={"GRID": grid})
    assert ended.status == 0, ended
    assert len(json.loads(ended.out)["stages"]) > 10


def test_the_control_plane_is_small(engine: Engine) -> None:
    sizes = {image: engine.inspect("image", image)["Size"] for image in (CLI, RUNTIME)}
    print({image: f"{size / 1e6:.0f} MB" for image, size in sizes.items()})
    assert sizes[CLI] < CLI_BYTES


def test_torch_is_for_cuda_unless_an_index_was_named(engine: Engine) -> None:
    ended = engine.run(RUNTIME, "-c", TORCH, entrypoint="python")
    assert ended.status == 0, ended
    version, cuda, machine, own = json.loads(ended.out)
    index = os.environ.get("TORCH_INDEX")
    print(f"torch {version}, CUDA {cuda}, from {index or own or 'PyPI'}")
    assert f"torch=={version.partition('+')[0]}\n" in (ROOT / "constraints.txt").read_text(encoding="utf-8")
    if index:
        assert (cuda is None) == index.rstrip("/").endswith("/cpu")
    elif own or machine != "x86_64":
        pytest.skip(f"NOT RUN: needs PyPI's torch for x86-64: this image has {version}, from {own or 'PyPI'}")
    else:
        assert cuda


@BOTH
def test_what_the_image_says_of_itself(image: str, engine: Engine) -> None:
    config = engine.inspect("image", image)["Config"]
    labels = config["Labels"]
    for name in ("title", "description", "version"):
        assert labels[f"org.opencontainers.image.{name}"]
    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    for words in (config.get("Entrypoint"), config.get("Cmd")):  # a shell in between would keep the signal to itself
        assert not words or words[0] in ("xtl", "python"), config


@BOTH
def test_no_secret_in_the_image_or_its_history(image: str, engine: Engine) -> None:
    config = engine.inspect("image", image)["Config"]
    text = json.dumps(config) + engine.call("history", "--no-trunc", image).out
    assert [line.partition("=")[0] for line in config["Env"] if SECRET_NAMES.search(line.partition("=")[0])] == []
    assert SECRET_VALUES.findall(text) == []
    mine = [value for name, value in os.environ.items() if SECRET_NAMES.search(name) and len(value) > 7]
    assert [value[:3] for value in mine if value in text] == []
