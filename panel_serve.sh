#!/usr/bin/env bash
# Start ET Heatmap: make the environment if needed, then `heatmap serve` with the arguments given here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./.ci/environment.sh
make_environment .venv "${ET_LOCK:-requirements.lock}"
exec .venv/bin/heatmap serve "$@"
