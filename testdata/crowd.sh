#!/usr/bin/env bash
# Times "what listens on 417/tcp" on a crowded machine, onmux beside its peers:
# 5,000 processes hold 50,000 sockets in a network and a pid namespace of their
# own, with no way out, and end with it. Memory is taken from a first table, of
# 1,000 sockets, and the second. It takes some minutes, 2 GB, root, Go and
# iproute2; peers that are not installed are left out.
#
#   CGO_ENABLED=0 go build -o onmux . && testdata/crowd.sh ./onmux
#   testdata/crowd.sh ./onmux -listen 2 -runs 15     # most sockets are connections
set -eu
if [ -n "${INSIDE-}" ]; then
	ip link set lo up
	exec "$@"
fi
onmux=$(realpath "${1:?the onmux binary}")
shift
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
CGO_ENABLED=0 go build -o "$made/crowd" "$(dirname "$0")/crowd.go"
INSIDE=1 unshare --net --mount --pid --fork --kill-child --mount-proc -- "$0" "$made/crowd" -onmux "$onmux" "$@"
