#!/bin/sh
# Builds local substitutes for images that cannot be pulled without a registry: same names, but built
# from Debian's packages and the Python that runs the tests. docs/developers.md lists their limits.
#
#   stand_ins.sh ENGINE PYTHON
set -eu
engine=$1
python=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

has() { "$engine" image inspect "$1" > /dev/null 2>&1; }

# Keep existing images: an image from a registry is better than a substitute.
missing() { ! has "$1" && echo "stand-in: $1"; }

debian=docker.io/library/debian:bookworm-slim
if missing $debian; then
    debootstrap --variant=minbase bookworm "$work/root" > "$work/log" || { cat "$work/log"; exit 1; }
    tar -C "$work/root" -c . | "$engine" import - $debian > /dev/null
    rm -rf "$work/root"
fi

build() { # NAME: a Dockerfile on standard input
    "$engine" build --quiet --network host -t "$1" -f - "$work" > /dev/null
}

# Like the official image: CPython in /usr/local, pip, certificates, and nothing else.
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
image=docker.io/library/python:$version-slim-bookworm
if missing "$image"; then
    prefix=$("$python" -c 'import sys; print(sys.base_prefix)')
    mkdir "$work/python"
    tar -C "$prefix" -c --exclude=test --exclude='site-packages/*' --exclude='*.a' \
        --exclude=__pycache__ bin lib include | tar -C "$work/python" -x
    build "$image" <<EOF
FROM $debian
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates netbase tzdata \
        libbz2-1.0 libffi8 libgdbm6 liblzma5 libncursesw6 libnsl2 libreadline8 libsqlite3-0 \
        libssl3 libuuid1 zlib1g \
    && rm -rf /var/lib/apt/lists/*
COPY python /usr/local
RUN cd /usr/local/bin && ln -sf python$version python3 && ln -sf python3 python && ldconfig \
    && python -m ensurepip && ln -sf pip3 pip && sed -i '1s,.*,#!/usr/local/bin/python3,' pip3
CMD ["python3"]
EOF
    rm -rf "$work/python"
fi

image=docker.io/library/postgres:16-alpine
if missing $image; then
    cp "$here/postgres.sh" "$work/"
    build $image <<EOF
FROM $debian
RUN apt-get update && apt-get install -y --no-install-recommends postgresql \
    && rm -rf /var/lib/apt/lists/* && ln -s /usr/lib/postgresql/*/bin/* /usr/local/bin/ || true
COPY postgres.sh /usr/local/bin/docker-entrypoint.sh
ENV PGDATA=/var/lib/postgresql/data
EXPOSE 5432
ENTRYPOINT ["docker-entrypoint.sh"]
EOF
fi

image=docker.io/valkey/valkey:8.1.10-alpine
if missing $image; then
    build $image <<EOF
FROM $debian
RUN apt-get update && apt-get install -y --no-install-recommends redis-server \
    && rm -rf /var/lib/apt/lists/* \
    && ln -s redis-server /usr/bin/valkey-server && ln -s redis-cli /usr/bin/valkey-cli
USER redis
EXPOSE 6379
CMD ["valkey-server"]
EOF
fi

image=docker.io/prom/prometheus:v3.5.0
if missing $image; then
    build $image <<EOF
FROM $debian
RUN apt-get update && apt-get install -y --no-install-recommends prometheus wget \
    && rm -rf /var/lib/apt/lists/* && ln -s /usr/bin/prometheus /usr/bin/promtool /bin/ || true \
    && install -d -o nobody /prometheus
USER nobody
WORKDIR /prometheus
EXPOSE 9090
ENTRYPOINT ["/usr/bin/prometheus"]
EOF
fi
