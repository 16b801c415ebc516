# One image for workers, Flower, migrations and checks.
#
#   docker build -t damage-tasks .
#   docker build -t damage-tasks:cuda --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 .
#
# It holds no weights and no compiler, runs as user 10001 and needs no writable file system but
# /tmp and the bundle cache.

# The Python that the tests run on.
ARG PYTHON_VERSION=3.11


# --- what the package needs: most of the image, and it changes least --------------------------
FROM docker.io/library/python:${PYTHON_VERSION}-slim-bookworm AS needs

# Where torch comes from. Empty takes PyPI's build, which is CUDA's and some gigabytes larger.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

WORKDIR /src
COPY constraints.txt ./
RUN python -m venv --without-pip /opt/damage-tasks \
    && pip --python /opt/damage-tasks/bin/python install -c constraints.txt \
        ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} torch

COPY setup.cfg pyproject.toml ./
RUN mkdir damage_tasks model_store \
    && touch damage_tasks/__init__.py model_store/__init__.py worker_config.py README.md \
    && pip --python /opt/damage-tasks/bin/python install -c constraints.txt '.[worker,openvino,flower]' \
    && pip --python /opt/damage-tasks/bin/python uninstall -y damage-tasks \
    # Headers and tests: nothing is compiled or tested here.
    && cd /opt/damage-tasks/lib/python*/site-packages \
    && rm -rf torch/include torch/share/cmake torch/test torch/bin/*test* torch/lib/*.a \
    && find . -type d -name tests -prune -exec rm -rf {} +


# --- the package: a layer of its own, so that a changed line moves no gigabyte -----------------
FROM needs AS package
RUN rm -rf ./*
COPY . .
RUN pip --python /opt/damage-tasks/bin/python install --no-deps --root /package . \
    && install -D -m 0755 damage_tasks/worker/probe.sh /package/usr/local/bin/damage-probe \
    && install -D -m 0755 deploy/docker/log-copy.sh /package/usr/local/bin/damage-log-copy


# --- the image --------------------------------------------------------------------------------
FROM docker.io/library/python:${PYTHON_VERSION}-slim-bookworm

# tini reaps what dies and hands SIGTERM to the worker alone, which then drains: were its
# processes to get the signal too, they would drop their photos.
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
    # One thread a process, one process a core: more only get in each other's way.
    OMP_NUM_THREADS=1 \
    # It would ask the internet for news at every start.
    NO_ALBUMENTATIONS_UPDATE=1 \
    DAMAGE_BUNDLE_CACHE=/var/cache/damage-tasks

WORKDIR /tmp
# By number, so that Kubernetes can see that it is not root.
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
