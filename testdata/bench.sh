#!/usr/bin/env bash
# Times onmux beside its peers, each in the same run, in a network namespace of
# its own with no way out. Needs root, iproute2 and python3; peers that are not
# installed are left out.
#
#   CGO_ENABLED=0 go build -o onmux . && testdata/bench.sh ./onmux
set -eu
onmux=$(realpath "${1:?the onmux binary}")
if [ -z "${INSIDE-}" ]; then
	INSIDE=1 exec unshare -n -- "$0" "$onmux"
fi

ip link set lo up
# 10.9.0.0/16 lies behind a gateway that takes every frame and says nothing.
ip link add v0 type veth peer name v1
ip addr add 10.8.0.1/24 dev v0
ip link set v0 up && ip link set v1 up
ip neigh add 10.8.0.2 lladdr 02:00:00:00:00:02 dev v0 nud permanent
ip route add 10.9.0.0/16 via 10.8.0.2

# run NAME COMMAND...: the median of three runs, in milliseconds.
run() {
	local name=$1 times="" out
	shift
	command -v "$1" >/dev/null || { printf '  %-28s not installed\n' "$name"; return; }
	out=$(mktemp)
	for _ in 1 2 3; do
		local began ended
		began=$(date +%s%N)
		"$@" >"$out" 2>&1 || true
		ended=$(date +%s%N)
		times="$times $(((ended - began) / 1000000))"
	done
	printf '  %-28s %6d ms   %s\n' "$name" "$(tr ' ' '\n' <<<"$times" | grep . | sort -n | sed -n 2p)" "$(grep -E "${say:-.}" "$out" | tail -1 | cut -c1-90)"
	rm -f "$out"
}

echo "65,536 hosts that refuse, one port"
say='endpoints in|done' run "onmux scan --rate max" "$onmux" scan 127.0.0.0/16 -p 417/tcp --rate max
say='endpoints in|done' run "nmap -sT" nmap -n -Pn -sT -p 417 127.0.0.0/16

echo "1,024 silent hosts, one port, defaults"
say='endpoints in|done' run "onmux scan" "$onmux" scan 10.9.0.0/22 -p 417/tcp
say='endpoints in|done' run "nmap -sT" timeout 30 nmap -n -Pn -sT -p 417 10.9.0.0/22

echo "5,000 listening sockets, what holds one port"
python3 - <<'PY' &
import resource, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (6000, 6000))
held = []
for port in range(20000, 25000):
    s = socket.socket()
    s.bind(("127.0.0.1", port))
    s.listen(1)
    held.append(s)
time.sleep(60)
PY
crowd=$!
"$onmux" check 24999/tcp --expect listening --wait 30s -q >/dev/null
say=listening run "onmux check" "$onmux" check 24999/tcp
say=listening run "onmux check -q (no owner)" "$onmux" check 24999/tcp -q
run "ss -lntp sport = :24999" ss -Hlntp 'sport = :24999'
run "lsof -i :24999" lsof -nP -i :24999
run "fuser 24999/tcp" fuser 24999/tcp
kill "$crowd"
