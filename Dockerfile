# Two images from one file:
#   docker build --target bot .      the bot with its pages, without torch
#   docker build --target worker .   the same with the worker's packages
# Versions come from constraints.txt, as in `make run`.

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/k2c
WORKDIR /src
COPY pyproject.toml constraints.txt README.md ./
COPY config config
COPY content content
COPY compute compute
COPY bot bot
RUN /opt/k2c/bin/pip install --constraint constraints.txt .

FROM build AS build-worker
RUN /opt/k2c/bin/pip install --constraint constraints.txt ".[worker]"

FROM python:3.11-slim-bookworm AS base
# A user of its own, who owns nothing but the data.
RUN useradd --uid 10001 --user-group --home-dir /data --no-create-home \
        --shell /usr/sbin/nologin k2c \
    && install --directory --owner=k2c --group=k2c --mode=0700 /data
ENV PATH=/opt/k2c/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    K2C_DATA_DIR=/data
WORKDIR /data
VOLUME /data
USER 10001:10001

FROM base AS worker
# Triton compiles what launches its kernels on the machine itself, and torch.compile its code for CPUs.
USER root
RUN apt-get update && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
USER 10001:10001
COPY --from=build-worker /opt/k2c /opt/k2c
ENV HF_HOME=/data/huggingface
ENTRYPOINT ["k2c"]
# The token that `k2c worker add NAME` printed comes as K2C_WORKER_TOKEN.
CMD ["worker", "run"]

# Last, so that a plain `docker build .` makes the bot.
FROM base AS bot
COPY --from=build /opt/k2c /opt/k2c
ENV K2C_HTTP_HOST=0.0.0.0 \
    K2C_HTTP_PORT=8080
EXPOSE 8080
# http.client, because urllib would ask a proxy of the environment.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ['K2C_HTTP_PORT']), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["k2c"]
CMD ["bot"]
