# One image for workers, Flower, migrations and checks.
#
#   docker build -t damage-tasks .
#   docker build -t damage-tasks:cuda --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 .
#
# It contains no weights and no compiler, runs as user 10001, and writes only to /tmp and the bundle
# cache.

# The Python version used by the tests, for amd64 and arm64.
ARG PYTHON=docker.io/library/python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b


# --- dependencies: most of the image, and the part that changes least -------------------------
FROM ${PYTHON} AS needs

# Index for torch, and for nothing else. If empty, the build from PyPI is used, which includes CUDA and
# is several gigabytes larger.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

WORKDIR /src
COPY constraints.txt deploy/docker/requirements-*.txt ./
# Everything that torch needs is installed before it, by its hash.
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/damage-tasks \
    && pip --python /opt/damage-tasks/bin/python install --no-deps --require-hashes \
        --only-binary=:all: -r "requirements-$(dpkg --print-architecture).txt" \
    && pip --python /opt/damage-tasks/bin/python install -c constraints.txt \
        ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch \
    # Remove headers and tests: the image neither compiles nor tests.
    && cd /opt/damage-tasks/lib/python*/site-packages \
    && rm -rf torch/include torch/share/cmake torch/test torch/bin/*test* torch/lib/*.a \
    && find . -type d -name tests -prune -exec rm -rf {} +


# --- the package: a separate layer, so that a code change does not transfer the dependencies ---
FROM needs AS package
RUN rm -rf ./*
COPY . .
RUN pip --python /opt/damage-tasks/bin/python install --no-deps --no-build-isolation \
        --root /package . \
    && install -D -m 0755 damage_tasks/worker/probe.sh /package/usr/local/bin/damage-probe \
    && install -D -m 0755 deploy/docker/log-copy.sh /package/usr/local/bin/damage-log-copy


# --- the image --------------------------------------------------------------------------------
FROM ${PYTHON}

# tini reaps zombie processes and forwards SIGTERM only to the worker's parent process, which then
# drains. If the child processes also received the signal, they would abandon their photos.
RUN apt-get update \
    && apt-get install -y --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /tmp \
        --shell /usr/sbin/nologin damage \
    && install -d -o damage -g damage \
        /var/cache/damage-tasks /var/lib/flower /var/log/damage-tasks

COPY --from=needs /opt/damage-tasks /opt/damage-tasks
COPY --from=package /package /

ENV PATH=/opt/damage-tasks/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    # One thread per process and one process per core are fastest.
    OMP_NUM_THREADS=1 \
    # Prevents a version check over the internet at every start.
    NO_ALBUMENTATIONS_UPDATE=1 \
    DAMAGE_BUNDLE_CACHE=/var/cache/damage-tasks

WORKDIR /tmp
# A numeric id, so that Kubernetes can verify that it is not root.
USER 10001:10001

ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["celery", "-A", "damage_tasks", "worker", "--without-gossip", "--without-mingle"]

ARG VERSION=0.0.0+local
ARG REVISION=unknown
ARG SOURCE=""
LABEL org.opencontainers.image.title="damage-tasks" \
      org.opencontainers.image.description="Finds damage on car photos: a Celery application on AWS SQS" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.source="$SOURCE"
