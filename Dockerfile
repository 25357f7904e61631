# Plexus: one image for every component. `docker build -t plexus .`
#
# The first stage has a compiler and makes the environment; the second has neither compiler nor pip, and runs as a user
# without a name, a shell or a home.

FROM python:3.11-slim-bookworm AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/plexus
COPY requirements/image.txt requirements/
RUN /opt/plexus/bin/pip install --require-hashes -r requirements/image.txt
COPY . .
RUN /opt/plexus/bin/pip install --no-deps --no-build-isolation . \
 && /opt/plexus/bin/pip uninstall --yes pip
# The kernels of state resolution, compiled for any processor of this kind: no worker has to, later.
ENV NUMBA_CPU_NAME=generic NUMBA_CACHE_DIR=/opt/plexus/kernels
RUN cd / && /opt/plexus/bin/python -c "from matrix_protocol.state_resolution.resolver import warm_up; warm_up()"

FROM python:3.11-slim-bookworm

LABEL org.opencontainers.image.title="Plexus" \
      org.opencontainers.image.description="A distributed, horizontally scaled Matrix homeserver" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/plexus /opt/plexus
ENV PATH=/opt/plexus/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NUMBA_CPU_NAME=generic \
    NUMBA_CACHE_DIR=/opt/plexus/kernels \
    PLEXUS_LISTEN=0.0.0.0:8008 \
    PLEXUS_RPC__LISTEN=0.0.0.0:8010 \
    PLEXUS_TELEMETRY__LISTEN=0.0.0.0:9090 \
    PLEXUS_DATA_DIR=/data
RUN install -d -m 0700 -o 10001 -g 10001 /data /data/signing_keys
VOLUME /data
USER 10001:10001
WORKDIR /data
EXPOSE 8008 8010 9090
# Liveness alone: a worker that waits for the store is not ready, and must not be killed for it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9090/livez', timeout=2)"]
# SIGTERM drains: requests are finished, shards handed over.
STOPSIGNAL SIGTERM
ENTRYPOINT ["plexus"]
CMD ["up"]
