#!/usr/bin/env bash
# Installs the pinned third-party clients into target/interop (or $MCP_AUTH_INTEROP_CACHE).
# Safe to run again: a folder whose pins have not changed is left alone.
# Needs Node >= 20 with npm, and Python >= 3.11 with venv.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cache="${MCP_AUTH_INTEROP_CACHE:-$here/../target/interop}"
mkdir -p "$cache"

# installed FOLDER PIN_FILE: does the folder's stamp match the pins?
installed() { [ -f "$1/.pins" ] && cmp -s "$1/.pins" "$2"; }

node_dir="$cache/node"
if ! installed "$node_dir" "$here/pins/package-lock.json"; then
    rm -rf "$node_dir" && mkdir -p "$node_dir"
    cp "$here/pins/package.json" "$here/pins/package-lock.json" "$node_dir"
    (cd "$node_dir" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    cp "$here/pins/package-lock.json" "$node_dir/.pins"
fi

python_dir="$cache/python"
if ! installed "$python_dir" "$here/pins/requirements.txt"; then
    rm -rf "$python_dir" && python3 -m venv "$python_dir"
    "$python_dir/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/pins/requirements.txt"
    cp "$here/pins/requirements.txt" "$python_dir/.pins"
fi
