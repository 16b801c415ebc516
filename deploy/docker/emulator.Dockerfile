# SQS and S3 for the compose stack: the same emulator, in the same version, as in the tests.
ARG PYTHON=docker.io/library/python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b
FROM ${PYTHON}

COPY constraints.txt /tmp/
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
        -c /tmp/constraints.txt ministack \
    && useradd --uid 10001 --user-group --no-create-home ministack \
    && install -d -o ministack /var/lib/ministack

# Queues, messages and objects survive `docker compose down` in the volume.
ENV BIND_HOST=0.0.0.0 \
    GATEWAY_PORT=4566 \
    SERVICES=sqs,s3 \
    PERSIST_STATE=1 \
    STATE_DIR=/var/lib/ministack/state \
    S3_PERSIST=1 \
    S3_DATA_DIR=/var/lib/ministack/s3

VOLUME /var/lib/ministack
EXPOSE 4566
USER 10001
CMD ["python", "-c", "from ministack.app import main; main()"]
