#!/usr/bin/env bash
# Real clients in real Chromium against the built application. The last line is "N passed, N failed"; the exit code is 0 only when
# all passed. Pictures of failing runs are kept in failures/. Other arguments are test files: ./run.sh attacks.test.mjs
set -euo pipefail
cd "$(dirname "$0")"

# Debian's browser, never a downloaded one; openssl makes the certificate of the https runs.
packages=()
[ -x /usr/bin/chromium ] || packages+=(chromium)
command -v openssl >/dev/null || packages+=(openssl)
if [ ${#packages[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "The browser tests need: apt-get install ${packages[*]}" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

# npm writes this file last: it is older than the lock file when something has changed, or is not there at all.
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
fi
node ../../scripts/build-if-stale.mjs

rm -rf failures
if [ $# -eq 0 ]; then set -- *.test.mjs; fi
exec node support/run.mjs "$@"
