# Two images from one base: `cli` (the control plane and controller, small) and `runtime` (stages, with torch).
#   docker build --target runtime -t xtl:dev .                          CUDA wheels from PyPI
#   docker build --target runtime --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu -t xtl:cpu .
#   docker build --target cli -t xtl-cli:dev .
# Dependencies lie in layers that a change of code does not touch. The user has a number and no name, as in a pod.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE} AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    HF_HUB_DISABLE_TELEMETRY=1 TOKENIZERS_PARALLELISM=false
WORKDIR /opt/xtl
# What pyproject.toml asks for, with empty packages in place of the code.
COPY pyproject.toml constraints.txt README.md ./
RUN mkdir -p xtl jobs k8s && touch xtl/__init__.py jobs/__init__.py k8s/__init__.py

FROM base AS cli
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-compile -c constraints.txt . && pip uninstall -q -y xtl && rm -rf build ./*.egg-info
COPY xtl xtl
COPY jobs jobs
COPY k8s k8s
RUN pip install -q --no-compile --no-deps . && rm -rf build ./*.egg-info
ENV HOME=/tmp
USER 10001:10001
STOPSIGNAL SIGTERM
LABEL org.opencontainers.image.title="xtl (control plane)" \
      org.opencontainers.image.description="Plans, submits, follows and scores studies of intermediate-task transfer"
ENTRYPOINT ["xtl"]

FROM base AS runtime
ARG TORCH_INDEX=
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-compile ${TORCH_INDEX:+--index-url ${TORCH_INDEX}} "$(grep '^torch==' constraints.txt)"
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-compile -c constraints.txt '.[jobs]' && pip uninstall -q -y xtl && rm -rf build ./*.egg-info
COPY xtl xtl
COPY jobs jobs
COPY k8s k8s
RUN pip install -q --no-compile --no-deps . && rm -rf build ./*.egg-info
ENV HOME=/tmp
USER 10001:10001
STOPSIGNAL SIGTERM
LABEL org.opencontainers.image.title="xtl (stages)" \
      org.opencontainers.image.description="Runs one stage of a study: python -m jobs.stage"
CMD ["python", "-m", "jobs.stage", "--help"]
