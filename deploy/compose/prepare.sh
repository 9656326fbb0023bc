#!/bin/sh
# Turns a part of the shipped prices into topics and a live configuration. Done once; later starts find it done.
set -eu
state=${WEIR_STATE:-/var/lib/weir}
[ ! -e "$state/published" ] || exit 0

weir demo --cycles 1000 --out "$state/replay" --json > /dev/null
cat deploy/config/default.yaml deploy/compose/connections.yaml > "$state/base.yaml"
weir config show "$state/base.yaml" --dump "$state/replay/dump" > "$state/weir.yaml"
weir topics create --config "$state/weir.yaml"
weir publish "$state/replay/dump" --config "$state/weir.yaml"
touch "$state/published"
