# One static binary in an empty image, for amd64 and arm64.
#
# Every BuildKit can build this, even that of Docker 20.10. So there is no `# syntax=`, no
# heredoc and no `COPY --link`.

ARG RUST_VERSION=1.95
# The stage that the binary comes from: `build` compiles it, and `prebuilt` copies
# dist/sample-service. With `prebuilt`, the builder image is not even looked up.
ARG BINARY_FROM=build

# Compiles on the machine's own processor, for that of the image. The tag of the builder image can
# be moved. Only a registry knows the digest, so it is added before a release (docs/releasing.md).
FROM --platform=$BUILDPLATFORM rust:${RUST_VERSION}-slim-bookworm AS build
# The secret is for networks with a certificate authority of their own:
#   docker build --secret id=ca-bundle,src=FILE
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=secret,id=ca-bundle \
    if [ -s /run/secrets/ca-bundle ]; then export CARGO_HTTP_CAINFO=/run/secrets/ca-bundle; fi; \
    cargo install --quiet --locked --version 0.7.7 cargo-auditable
ARG TARGETARCH
# If the image is for another processor: the compiler and the libraries for it. They are named
# without versions, because any version of this Debian release is right.
# hadolint ignore=DL3008
RUN case "$TARGETARCH" in \
        amd64) machine=x86_64 compiler=gcc-x86-64-linux-gnu ;; \
        arm64) machine=aarch64 compiler=gcc-aarch64-linux-gnu ;; \
        *) echo "no image for $TARGETARCH: amd64 or arm64" >&2; exit 1 ;; \
    esac \
    && echo "$machine-unknown-linux-gnu" >/target \
    && if [ "$machine" != "$(uname -m)" ]; then \
        apt-get update \
        && apt-get install -y --no-install-recommends "$compiler" "libc6-dev-$TARGETARCH-cross" \
        && rm -rf /var/lib/apt/lists/* \
        && rustup target add "$machine-unknown-linux-gnu"; \
    fi
WORKDIR /src
# Copied by name, so that a change of any other file does not compile again.
COPY Cargo.toml Cargo.lock build.rs ./
COPY .cargo .cargo
COPY deploy/static-binary deploy/
COPY crates crates
COPY config config
COPY proto proto
COPY src src
# Not compiled, but cargo reads the manifests of all members of the workspace, and looks for
# the benchmarks that they name.
COPY benches benches
COPY examples examples
# touch, because cargo compares times: the cache can hold results of another checkout that are
# newer than the sources of this one.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    --mount=type=secret,id=ca-bundle \
    if [ -s /run/secrets/ca-bundle ]; then export CARGO_HTTP_CAINFO=/run/secrets/ca-bundle; fi; \
    find crates src proto config build.rs -type f -exec touch {} + \
    && binary="$(deploy/static-binary "$(cat /target)")" \
    && cp "$binary" /sample-service

FROM scratch AS prebuilt
COPY dist/sample-service /sample-service

# hadolint ignore=DL3006
FROM ${BINARY_FROM} AS binary

FROM scratch
ARG REVISION=unknown
ARG SOURCE=unknown
ARG VERSION=unknown
LABEL org.opencontainers.image.title="sample-service" \
      org.opencontainers.image.description="A small gRPC microservice that behaves in production" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=binary /sample-service /sample-service
USER 65532:65532
EXPOSE 9999
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/sample-service", "health"]
# Both allocators, that of Rust and that of zstd's C code, give memory back to the system at once,
# even the memory of threads that have ended. Otherwise the container's limit would count unused
# memory after a burst. Without the last two variables, glibc keeps up to 16 MiB for each thread
# after it has freed a window of zstd.
ENV MIMALLOC_PURGE_DELAY=0 MIMALLOC_ABANDONED_PAGE_PURGE=1 \
    MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=131072
ENTRYPOINT ["/sample-service"]
CMD ["serve"]
