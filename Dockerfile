# Two images: `--target service` and `--target worker` (docs/installing.md).
# BASE is any Debian 12: what a registry has, or what debootstrap makes (`make image`).
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS base
# tini: as process 1, a command would ignore each signal that it has no handler for (`migrate` could only be killed), and
# what graders leave behind would stay as zombies.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates libmariadb3 python3 tini \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /usr/share/doc /usr/share/man /usr/share/locale \
 && groupadd --gid 10001 gradequeue \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin gradequeue
ENV LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

FROM base AS build
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      gcc libc6-dev libmariadb-dev pkg-config python3-dev python3-venv
# The authorities of the base, with those that an organisation has added to it.
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
RUN python3 -m venv /uv && /uv/bin/pip install --no-cache-dir "uv>=0.8"
WORKDIR /build
COPY pyproject.toml uv.lock README.md LICENSE ./
COPY packages packages
COPY examples examples
COPY ops ops
COPY src src
# What uv.lock has, with bytecode: nothing can be written later.
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON=/usr/bin/python3
# Also there: openedx (the event bus, 40 MB) and otel (traces).
ARG EXTRAS="service postgresql mysql redis s3 webhook"
# What nothing here reads is a sixth of it: translations into languages that no page is offered in, and AWS services beside S3.
RUN export UV_PROJECT_ENVIRONMENT=/opt/gradequeue \
 && /uv/bin/uv sync --frozen --no-default-groups --no-editable $(printf -- '--extra %s ' ${EXTRAS}) \
 && find /opt/gradequeue -path '*/locale/*' -name 'django*.[mp]o' -not -path '*/locale/en/*' -not -path '*/locale/es/*' \
      -not -path '*/locale/fr/*' -not -path '*/locale/ar/*' -delete \
 && find /opt/gradequeue -path '*/botocore/data/*' -prune -type d \
      -not -name s3 -not -name sts -not -name 'sso*' -not -name signin -exec rm -r {} +
RUN UV_PROJECT_ENVIRONMENT=/opt/gradequeue-grader \
    /uv/bin/uv sync --frozen --no-default-groups --no-editable --package gradequeue-grader

FROM base AS worker
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends bubblewrap \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /usr/share/doc /usr/share/man /usr/share/locale
COPY --from=build /opt/gradequeue-grader /opt/gradequeue-grader
ENV PATH=/opt/gradequeue-grader/bin:/usr/local/bin:/usr/bin:/bin
LABEL org.opencontainers.image.title="gradequeue-grader" \
      org.opencontainers.image.description="Runs a grader for each job of a gradequeue, in a sandbox" \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# Where the grader is mounted, or added by an image made of this one.
WORKDIR /grader
USER 10001:10001
ENTRYPOINT ["/usr/bin/tini", "--", "gradequeue-grader"]

FROM base AS service
COPY --from=build /opt/gradequeue /opt/gradequeue
ENV PATH=/opt/gradequeue/bin:/usr/local/bin:/usr/bin:/bin \
    GRADEQUEUE_DATA=/var/lib/gradequeue
RUN install -d -o 10001 -g 10001 -m 0700 /var/lib/gradequeue
LABEL org.opencontainers.image.title="gradequeue" \
      org.opencontainers.image.description="A queue between a learning platform and the programs that grade its answers" \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /var/lib/gradequeue
VOLUME /var/lib/gradequeue
USER 10001:10001
EXPOSE 8000
# Without a proxy: Docker may have given the container one.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:8000/livez', timeout=4)"]
ENTRYPOINT ["/usr/bin/tini", "--", "gradequeue"]
CMD ["serve", "--host", "0.0.0.0"]
