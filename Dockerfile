# The image: the program and the certificates of public authorities, no shell, no package manager.
#
#   docker build -t tenantdns:0.1.0 .
#
# It takes BuildKit (or another builder that knows `--mount` and keeps file capabilities). The same sources
# with the same two images give the same program: dependencies are those of Cargo.lock, and nothing reads
# a clock. To fix the images as well, give them by digest: --build-arg RUST_IMAGE=…@sha256:…

ARG RUST_IMAGE=docker.io/library/rust:1.95.0-slim-bookworm
# glibc of the same Debian, libgcc, certificates, the user 65532.
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${RUST_IMAGE} AS build
# setcap, which stays here.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libcap2-bin \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# Without lines for debuggers: a fifth of the size.
ENV CARGO_PROFILE_RELEASE_STRIP=debuginfo
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin tenantdns \
 && cp target/release/tenantdns /tenantdns
# Port 53 for a user that is not root, where the container has this capability (Kubernetes gives it to
# nobody's thread but root's). A container without it can't start the program: `drop: [ALL]` goes with
# `add: [NET_BIND_SERVICE]`, as for CoreDNS's image.
RUN setcap cap_net_bind_service=+ep /tenantdns

FROM ${BASE_IMAGE}
COPY --from=build /tenantdns /tenantdns
USER 65532:65532
WORKDIR /
EXPOSE 53/udp 53/tcp 8080/tcp 8181/tcp 9153/tcp
ENTRYPOINT ["/tenantdns"]
