# For those who prefer a builder of images; `npm run image` makes trow's own without one (docs/user-guide.md, "trow's image").
ARG NODE=26.10.0-trixie-slim@sha256:ec7758ee051e457b468b32bde57b0879010b325bb9862718e9615225ce4aaae1

FROM node:${NODE} AS build
WORKDIR /build
# The npm packages are those of the lock, by their digests; the Node for npm scripts is the image's own.
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY . .
RUN node image/build.ts && npm ci --omit=dev --ignore-scripts && mkdir /data

FROM gcr.io/distroless/cc-debian13:nonroot@sha256:54df941ed0d06a1bd95ef5e0ce391fd8d9f94b64782dc9a60062727849ee3f97
COPY --from=build /usr/local/bin/node /usr/bin/node
# The base has all that Node needs but this.
COPY --from=build /usr/lib/*-linux-gnu/libatomic.so.1* /usr/lib/
COPY --from=build /build/package.json /build/LICENSE /usr/lib/trow/
COPY --from=build /build/bin /usr/lib/trow/bin
COPY --from=build /build/dist /usr/lib/trow/dist
COPY --from=build /build/templates /usr/lib/trow/templates
COPY --from=build /build/node_modules /usr/lib/trow/node_modules
COPY --from=build --chown=65532:65532 /data /data
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt NODE_USE_SYSTEM_CA=1
USER 65532:65532
WORKDIR /data
EXPOSE 8443
ENTRYPOINT ["/usr/bin/node", "/usr/lib/trow/bin/trow.js"]
CMD ["--help"]
