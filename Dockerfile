# syntax=docker/dockerfile:1

# ── Build ────────────────────────────────────────────────────────────────────
FROM rust:1.95-slim-bookworm AS build
WORKDIR /build

# The dependencies alone, so that a change of the sources does not build them again.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs && cargo build --release --locked && rm -r src

COPY askama.toml ./
COPY migrations migrations
COPY src src
# The sources may be older than what was built above from empty ones.
RUN touch src/main.rs src/lib.rs && cargo build --release --locked
RUN mkdir -p /out/var/lib/orlop && cp target/release/orlop /out/orlop

# ── Image ────────────────────────────────────────────────────────────────────
# glibc, libgcc and root certificates; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12
COPY --from=build /out/orlop /usr/bin/orlop
COPY --from=build --chown=65532:65532 /out/var/lib/orlop /var/lib/orlop
USER 65532:65532
VOLUME /var/lib/orlop
EXPOSE 5000
# Asks where the settings say that the registry listens. With TLS, set ORLOP__SERVER__TLS_CERT and
# ORLOP__SERVER__TLS_KEY instead of flags, so that the check knows of it as well.
HEALTHCHECK --interval=15s --timeout=6s --start-period=10s CMD ["/usr/bin/orlop", "healthcheck"]
ENTRYPOINT ["/usr/bin/orlop"]
CMD ["serve", "--listen", "0.0.0.0:5000", "--data-dir", "/var/lib/orlop"]
