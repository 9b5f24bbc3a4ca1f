# Two images from one base: `cli` (the control plane and controller, small) and `runtime` (stages, with torch).
#   docker build --target runtime -t xtl:dev .                          CUDA wheels from PyPI
#   docker build --target runtime --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu -t xtl:cpu .
#   docker build --target cli -t xtl-cli:dev .
# The code is the last layer, so that a change of it adds that layer alone. The user has a number and no name, as in a
# pod; since it can write nowhere but /tmp, Python's bytecode is made here, on all cores. (A few packages carry files
# that are no Python: compileall's status says so, and nothing else.)
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE} AS base
ENV PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    HF_HUB_DISABLE_TELEMETRY=1 TOKENIZERS_PARALLELISM=false
WORKDIR /opt/xtl

# What pyproject.toml asks for, as lists: layers of dependencies are built again when a list changes, and only then.
FROM base AS lists
COPY pyproject.toml ./
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
    cli, extras = project['dependencies'], project['optional-dependencies']; \
    runtime = cli + extras['report'] + [one for one in extras['jobs'] if not one.startswith('xtl[')]; \
    open('cli.txt', 'w').write('\n'.join(cli)); open('runtime.txt', 'w').write('\n'.join(runtime))"

# The code as a wheel; what makes it stays out of the images.
FROM base AS wheel
RUN --mount=type=cache,target=/root/.cache/pip pip install 'setuptools>=77'
COPY pyproject.toml README.md ./
COPY xtl xtl
COPY jobs jobs
COPY k8s k8s
RUN pip wheel -q --no-deps --no-build-isolation --wheel-dir /wheel .

FROM base AS cli
COPY constraints.txt ./
COPY --from=lists /opt/xtl/cli.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-compile -c constraints.txt -r cli.txt \
    && (python -m compileall -q -j 0 /usr/local/lib/python3*/site-packages > /dev/null || true)
# SIGTERM ends process 1 from Python's own start on: without a handler the kernel drops it. Programs put theirs in its
# place. Python's module `site` runs this line, and its `os` is the one in the lambda.
RUN echo "import os, _signal; os.getpid() == 1 and _signal.signal(15, lambda *_: os._exit(143))" \
    > "$(python -c 'import site; print(site.getsitepackages()[0])')/process-1.pth"
COPY --from=wheel /wheel /wheel
RUN pip install -q --no-deps /wheel/*.whl
ENV HOME=/tmp
USER 10001:10001
STOPSIGNAL SIGTERM
LABEL org.opencontainers.image.title="xtl (control plane)" \
      org.opencontainers.image.description="Plans, submits, follows and scores studies of intermediate-task transfer"
ENTRYPOINT ["xtl"]

FROM base AS runtime
ARG TORCH_INDEX=
COPY constraints.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-compile ${TORCH_INDEX:+--index-url ${TORCH_INDEX}} "$(grep '^torch==' constraints.txt)" \
    && (python -m compileall -q -j 0 /usr/local/lib/python3*/site-packages > /dev/null || true)
COPY --from=lists /opt/xtl/runtime.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-compile -c constraints.txt -r runtime.txt \
    && (python -m compileall -q -j 0 /usr/local/lib/python3*/site-packages > /dev/null || true)
RUN echo "import os, _signal; os.getpid() == 1 and _signal.signal(15, lambda *_: os._exit(143))" \
    > "$(python -c 'import site; print(site.getsitepackages()[0])')/process-1.pth"
COPY --from=wheel /wheel /wheel
RUN pip install -q --no-deps /wheel/*.whl
ENV HOME=/tmp
USER 10001:10001
STOPSIGNAL SIGTERM
LABEL org.opencontainers.image.title="xtl (stages)" \
      org.opencontainers.image.description="Runs one stage of a study: python -m jobs.stage"
CMD ["python", "-m", "jobs.stage", "--help"]
