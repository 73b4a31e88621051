# One static binary in an empty image.
#
# Every BuildKit builds this, that of Docker 20.10 too: so no `# syntax=`, no
# heredocs, no `COPY --link`.

ARG RUST_VERSION=1.95
# `build` compiles here. `prebuilt` takes dist/sample-service instead, and then
# the builder image is not even looked up.
ARG BINARY_FROM=build

FROM rust:${RUST_VERSION}-slim-bookworm AS build
WORKDIR /src
# By name: a change of anything else must not compile again.
COPY Cargo.toml Cargo.lock build.rs ./
COPY config config
COPY proto proto
COPY src src
# Not compiled, but the manifest names them.
COPY benches benches
# - touch: the cache may hold newer results of another checkout's older sources,
#   and cargo compares times.
# - --target: else the flag would reach proc macros, which cannot be static.
# - The secret is for networks with a certificate authority of their own:
#   docker build --secret id=ca-bundle,src=FILE
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    --mount=type=secret,id=ca-bundle \
    if [ -s /run/secrets/ca-bundle ]; then export CARGO_HTTP_CAINFO=/run/secrets/ca-bundle; fi; \
    find src proto config build.rs -type f -exec touch {} + \
    && target="$(rustc --print host-tuple)" \
    && RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target "$target" \
    && cp "target/$target/release/sample-service" /sample-service

FROM scratch AS prebuilt
COPY dist/sample-service /sample-service

FROM ${BINARY_FROM} AS binary

FROM scratch
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sample-service" \
      org.opencontainers.image.description="A small gRPC microservice that behaves in production" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=binary /sample-service /sample-service
USER 65532:65532
EXPOSE 9999
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/sample-service", "health"]
ENTRYPOINT ["/sample-service"]
CMD ["serve"]
