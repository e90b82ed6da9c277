# The images of the product, each a stage of that name:
#   docker build --target user-info -t user-info:0.1.0 .
#   docker build --target user-info-operator -t user-info-operator:0.1.0 .
# Without Docker, hack/images/pack makes the same from built programs.
FROM golang:1.26 AS helm
WORKDIR /src
COPY hack/cluster hack/cluster
RUN --mount=type=cache,target=/root/.cache/go-build --mount=type=cache,target=/go/pkg/mod BIN=/out hack/cluster/tool helm

FROM rust:1.95-slim AS build
WORKDIR /src
COPY . .
COPY --from=helm /out/helm /usr/local/bin/helm
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --release --bins -p user-info-services -p user-info-operator && \
    for image in user-info user-info-operator; do HELM=/usr/local/bin/helm hack/images/rootfs $image target/release /images/$image || exit; done

FROM scratch AS user-info
COPY --from=build /images/user-info /
ENV PATH=/usr/local/bin
USER 65532:65532
EXPOSE 8001 9001 8100
ENTRYPOINT ["user_info"]

FROM scratch AS user-info-operator
COPY --from=build /images/user-info-operator /
ENV PATH=/usr/local/bin
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["user-info-operator"]
