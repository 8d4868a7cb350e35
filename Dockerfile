# The image of Latchkey: Node 24 LTS, the compiled application, the packages that it needs at run time, and nothing else.
# scripts/test-container.sh carries out these steps in a folder, without a Docker engine, and tries what comes out; so keep
# to COPY, RUN, ENV and ARG with relative paths below WORKDIR, and to what scripts/container/dockerfile.mjs understands.

# Pinned by its full version. Pin it by digest where you build: `docker buildx imagetools inspect node:24.21.0-bookworm-slim`
# shows it (a digest changes with each rebuild of the base image, so that updates then have to come from a bot).
ARG NODE_IMAGE=node:24.21.0-bookworm-slim

# ---- Compiles. Everything that it installs stays behind.
FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No install scripts: the compiler needs none, and the embedded PostgreSQL is not used here.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY nest-cli.json .swcrc tsconfig.json tsconfig.build.json ormconfig.ts ./
COPY migrations ./migrations
COPY src ./src
RUN node node_modules/@nestjs/cli/bin/nest.js build

# ---- Puts together what runs: without development and optional packages, so without the embedded PostgreSQL.
FROM ${NODE_IMAGE} AS tree
WORKDIR /app
RUN apt-get update && apt-get install -y --no-install-recommends python3 make g++ && rm -rf /var/lib/apt/lists/*
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --no-audit --no-fund
# The binary that argon2 ships is for every amd64 CPU. One for AVX2 (any server CPU since 2015) hashes in 13 to 17 ms instead of
# 24 to 30, and sign-ins are limited by just that. For older machines: --build-arg ARGON2_CFLAGS_AMD64=-O3
ARG ARGON2_CFLAGS_AMD64="-O3 -mavx2"
# Where Node's headers are (below include/node), so that node-gyp, which npm brings along, need not download them.
ARG NODE_PREFIX=/usr/local
RUN if [ "$(dpkg --print-architecture)" = amd64 ]; then \
      export CFLAGS="$ARGON2_CFLAGS_AMD64" CXXFLAGS="$ARGON2_CFLAGS_AMD64" && \
      cd node_modules/argon2 && \
      node "$(npm root -g)/npm/node_modules/node-gyp/bin/node-gyp.js" rebuild --nodedir="$NODE_PREFIX" && \
      mv build/Release/argon2.node . && rm -rf build prebuilds && mkdir -p build/Release && mv argon2.node build/Release/ ; \
    fi
RUN node -e "require('argon2').hash('it loads and works').then(() => {})"
# From here on package.json names only what is inside, so that the bill of materials has exactly that
# (npm sbom with --omit=dev leaves out what a development package needs too, such as @nestjs/core).
RUN npm pkg delete devDependencies optionalDependencies allowScripts scripts && \
    npm sbom --sbom-format cyclonedx > sbom.cdx.json && rm package-lock.json
COPY LICENSE ./
COPY --from=build /app/dist ./dist
# Readable for the user below, whatever umask the checkout had, and writable for nobody but root.
RUN chmod -R a+rX,go-w .

# ---- Runs.
FROM ${NODE_IMAGE} AS runtime
LABEL org.opencontainers.image.title="Latchkey" \
      org.opencontainers.image.description="The sign-in API: session cookies and JWT behind one contract, on PostgreSQL" \
      org.opencontainers.image.licenses="MIT"
WORKDIR /app
COPY --from=tree /app ./
# Password hashes, DNS lookups and files share libuv's threads, of which one is kept free of hashes: enough for 15 CPUs.
# A thread that has nothing to do costs next to nothing.
# One memory arena for all threads: with one each, glibc keeps the 19 MiB of a hash in every one of them for good.
ENV NODE_ENV=production UV_THREADPOOL_SIZE=16 MALLOC_ARENA_MAX=1
# uid 1000, which every node image has. Nothing is written anywhere: the root file system may be read-only.
USER node
EXPOSE 3000
# Latchkey ends within 10 s of it: it finishes the requests in flight (docs/operations.md).
STOPSIGNAL SIGTERM
# "live", not "ready": whoever acts on this (Swarm, an autoheal container) restarts the container, and that cures a process
# that hangs, never a database that is away. Load balancers ask /health/ready. It listens only after the migrations.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT || 3000) + '/health/live').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# Node 24 lets V8 have semi-spaces of 64 MiB where the machine is large: a node then has 50 MiB more in a storm, and is no faster
# (docs/performance.md). Here and not in NODE_OPTIONS, which is for whoever runs it.
CMD ["node", "--max-semi-space-size=32", "dist/src/main.js"]
