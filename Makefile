# Everything runs in .venv, which `make setup` makes with python -m venv and pip from pyproject.toml and constraints.txt.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Where there is no NVIDIA driver, torch comes from PyTorch's CPU index: PyPI's build brings gigabytes of CUDA. A machine
# that keeps its own wheels says so with PIP_FIND_LINKS.
TORCH_INDEX ?= $(if $(or $(PIP_FIND_LINKS),$(shell command -v nvidia-smi)),,https://download.pytorch.org/whl/cpu)
TORCH := $(shell sed -n 's/^\(torch==.*\)/\1/p' constraints.txt)
DEMO ?= demo-study
WORKERS ?= 2
DOCKER ?= docker
# Images are for a cluster's GPUs, whatever this machine has: torch for CUDA, unless the caller names an index.
IMAGE_TORCH = $(if $(filter-out file,$(origin TORCH_INDEX)),--build-arg TORCH_INDEX=$(TORCH_INDEX))
IMAGE_LABELS = --label org.opencontainers.image.version=$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) \
	--label org.opencontainers.image.revision=$(or $(shell git describe --always --dirty 2>/dev/null),unknown)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow cluster-test test-all check golden image image-test kind-up kind-test \
	kind-down bench clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

setup: $(VENV)/installed  ## make .venv and install xtl with all its extras

$(VENV)/installed: pyproject.toml constraints.txt
	@echo "Setting up $(VENV): torch and the rest, one to four minutes and silent; afterwards this is skipped."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[report,jobs,test]'
	@touch $@

demo: setup  ## run two small studies end to end, on data that xtl makes: nine targets, and a question with its answer
	$(BIN)/xtl data demo $(DEMO)/data
	$(BIN)/xtl run grids/demo.yaml --data $(DEMO)/data --store $(DEMO)/store --parallel $(WORKERS)
	$(BIN)/xtl run grids/demo-contrast.yaml --data $(DEMO)/data --store $(DEMO)/store --parallel $(WORKERS)
	@echo
	$(BIN)/xtl report grids/demo-contrast.yaml --store $(DEMO)/store

test: setup  ## the fast tests, under ten minutes
	$(BIN)/python -m pytest -n $(WORKERS) -m "not slow and not cluster and not image"

test-slow: setup  ## the slow tests alone, at most 15 minutes
	$(BIN)/python -m pytest -n $(WORKERS) -m "slow and not cluster and not image"

cluster-test: setup  ## the tests on a real Kubernetes: XTL_TEST_KUBECONFIG's, or one that it starts and stops
	$(BIN)/python -m pytest -m cluster --durations=5 tests/cluster

test-all: test test-slow  ## every test but the cluster's and the images'

check: setup  ## ruff and the type checker
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

golden: setup  ## write the golden files again from the code as it is; look at the diff before you commit
	XTL_WRITE_GOLDEN=1 $(BIN)/python -m pytest -q tests -k golden

image:  ## build xtl:dev (stages) and xtl-cli:dev (control plane) with $(DOCKER); CUDA, or TORCH_INDEX=URL for another torch
	$(DOCKER) build --target runtime $(IMAGE_LABELS) $(IMAGE_TORCH) -t xtl:dev .
	$(DOCKER) build --target cli $(IMAGE_LABELS) -t xtl-cli:dev .

image-test: setup image  ## build the images and test them in containers, with $(DOCKER)
	XTL_TEST_ENGINE=$(DOCKER) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m image -rP --durations=5 tests/image

# xtl alone, without torch, where setup has not been here: all that a laptop needs to submit.
$(BIN)/xtl:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt -e .

kind-up:  ## a Kubernetes in Docker (kind) with xtl on it; KIND_NODE_IMAGE chooses the node's image
	k8s/kind/run up

kind-test: $(BIN)/xtl  ## kind-up, then the demo submitted to it must score as `xtl run` does; under 20 minutes
	k8s/kind/run test

kind-down:  ## remove kind's cluster and all that is in it
	k8s/kind/run down

bench: setup  ## measure the claims about speed, one table and bench.json; BENCH="training store" runs those alone
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[bench]'
	$(BIN)/python -m bench $(BENCH)

clean:  ## remove what setup, demo and tests made
	rm -rf $(VENV) $(DEMO) *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
