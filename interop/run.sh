#!/usr/bin/env bash
# Real MCP clients and the official conformance suite against the `remote_dcr` example.
#   bash interop/run.sh              every row
#   bash interop/run.sh typescript   rows whose name contains "typescript"
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
if ! bash "$here/setup.sh"; then
    # Without its clients no row can run: a failure where CI says so, said aloud elsewhere.
    echo "SKIP interop: the pinned clients could not be installed"
    [ "${MCP_AUTH_REQUIRE_SERVICES:-}" != 1 ] || { echo "0 passed, 1 failed"; exit 1; }
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
self_test="$(node --test "$here"/*.test.mjs)" || { echo "$self_test"; exit 1; }
exec node "$here/run.mjs" "$@"
