#!/usr/bin/env bash
# Times onmux beside its peers, each in the same run, and says which of what it is
# held to holds. Everything happens in network, mount and pid namespaces of its
# own, with no way out, which end with it. It takes ten minutes, root, iproute2,
# nftables, python3 and GNU time; Go for the bare loop. Peers that are not
# installed are left out.
#
#   CGO_ENABLED=0 go build -o onmux . && testdata/bench.sh ./onmux
#   testdata/bench.sh ./onmux silent refuse     # only these: silent refuse small lossy eight connect local
#   RUNS=5 testdata/bench.sh ./onmux            # medians of five instead of three
set -eu
onmux=$(realpath "${1:?the onmux binary}")
if [ -z "${INSIDE-}" ]; then
	INSIDE=1 exec unshare --net --mount --pid --fork --kill-child --mount-proc -- "$0" "$@"
fi
shift
home=$(realpath "$(dirname "$0")/..")
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
export PATH=$PATH:/usr/sbin:/usr/local/go/bin
failed=0

# net makes another machine, "far", behind 10.8.0.2, and a gateway at 10.8.0.3 whose
# link takes every frame and says nothing.
net() {
	mount -t tmpfs tmpfs /run && mkdir -p /run/netns
	ip link set lo up
	ip netns add far
	ip link add v0 type veth peer name v1 netns far
	ip address add 10.8.0.1/24 dev v0 && ip link set v0 up
	ip -n far link set lo up && ip -n far address add 10.8.0.2/24 dev v1 && ip -n far link set v1 up
	ip -n far route add default via 10.8.0.1
	ip neighbour add 10.8.0.3 lladdr 02:00:00:00:00:03 dev v0 nud permanent
	ip route add 10.128.0.0/9 via 10.8.0.3 # silence
	ip route add 11.0.0.0/8 via 10.8.0.3
	ip route add 10.9.0.0/16 via 10.8.0.2  # refuses
	ip route add 10.10.0.0/18 via 10.8.0.2 # answers
	ip -n far route add local 10.9.0.0/16 dev lo
	ip -n far route add local 10.10.0.0/18 dev lo
}

# job NAME: begins a group of the table.
job() { printf '\n%s\n' "$1"; }

# run NAME COMMAND...: the medians of its wall time (s), processor time (s) and
# memory (KiB at most), in $wall, $cpu and $rss; what it wrote is in $made/out. It
# is stopped after two minutes. A command that could not do its work fails the table.
run() {
	local name=$1 n=${RUNS:-3}
	shift
	wall='' cpu='' rss=''
	if ! command -v "$1" >/dev/null; then
		printf '  %-34s not installed\n' "$name"
		return 0
	fi
	: >"$made/times"
	for _ in $(seq "$n"); do
		local code=0
		/usr/bin/time -o "$made/time" -f '%e %U %S %M' timeout 120 "$@" >"$made/out" 2>"$made/err" </dev/null || code=$?
		if [ "$code" != 0 ] && [ "$code" != 124 ]; then # 124: it was stopped
			printf '  %-34s FAILS, exit %d: %s\n' "$name" "$code" "$(grep -av '^hint' "$made/err" | tail -1 | cut -c1-160)"
			failed=$((failed + 1))
			return 0
		fi
		tail -1 "$made/time" | awk '{ print $1, $2 + $3, $4 }' >>"$made/times"
	done
	wall=$(middle 1) cpu=$(middle 2) rss=$(middle 3)
	printf '  %-34s %7.2f s  %6.2f s cpu  %7d KiB   %s\n' "$name" "$wall" "$cpu" "$rss" \
		"$(cat "$made/out" "$made/err" | tr '\r' '\n' | grep -aE "${say:-.}" | tail -1 | cut -c1-100)"
}

middle() { cut -d' ' -f"$1" "$made/times" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# heard COMMAND...: runs it while something arrives on our link now and then. Without,
# masscan waits for ever to hear something.
heard() {
	ip netns exec far python3 -c '
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(600):
    s.sendto(b"", ("10.8.0.1", 9)); time.sleep(0.2)' &
	local noise=$!
	"$@"
	kill "$noise"
}

# hold SENTENCE LEFT RIGHT: says whether LEFT <= RIGHT, which awk works out.
hold() {
	case "$2 $3" in *'()'*) return 0 ;; esac # a peer is missing
	if awk "BEGIN { exit !(($2) <= ($3)) }"; then verdict=holds; else verdict=FAILS failed=$((failed + 1)); fi
	printf '  %s: %s (%s of at most %s)\n' "$verdict" "$1" "$(awk "BEGIN { printf \"%.4g\", $2 }")" "$(awk "BEGIN { printf \"%.4g\", $3 }")"
}

# count STATE: how many endpoints of the last scan, written as JSON, have it.
count() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["summary"]["states"].get(sys.argv[2], 0))' "$made/json" "$1"; }

scanned='endpoints in|endpoint in|done|scanned'

silent() {
	job "2,097,152 silent addresses behind a gateway, each asked once"
	local ours
	say=$scanned run "onmux --rate max --retries 0" "$onmux" scan 10.128.0.0/11 -p 417/tcp --rate max --retries 0
	ours=$wall
	local zmap=(zmap -p 417 -i v0 -G 02:00:00:00:00:03 -S 10.8.0.1 -b /dev/null -o /dev/null -r 10000000)
	say=- run "zmap -r 10000000" "${zmap[@]}" 10.128.0.0/11
	hold "0.6 of zmap's time" "$ours" "0.6 * ($wall)"
	say=- run "zmap -r 10000000 -T 1 -c 0, deaf" "${zmap[@]}" -T 1 -c 0 10.128.0.0/11
	say=- run "zmap -r 10000000 -T 2 -c 0, deaf" "${zmap[@]}" -T 2 -c 0 10.128.0.0/11
	RUNS=1 say=- heard run "masscan --rate 10000000" masscan --rate 10000000 -p417 --interface v0 --router-mac 02-00-00-00-00-03 --source-ip 10.8.0.1 10.128.0.0/11
	hold "0.6 of masscan's time" "$ours" "0.6 * ($wall)"
	RUNS=1 say=$scanned run "onmux --rate max, two tries" "$onmux" scan 10.128.0.0/11 -p 417/tcp --rate max
	command -v go >/dev/null || return 0
	go test -C "$home" -run '^$' -bench 'RawSilent$' -benchtime 5x ./scan/raw >"$made/go" 2>&1 || { cat "$made/go"; return 0; }
	awk '/RawSilent/ { for (i = 1; i < NF; i++) if ($(i + 1) ~ /bare|probes/) printf "  %s %s\n", $i, $(i + 1) }' "$made/go"
	hold "90 % of a bare sendmmsg loop of the same frame" 90 "$(awk '/RawSilent/ { for (i = 1; i < NF; i++) if ($(i + 1) == "%ofbare") print $i }' "$made/go")"
}

refuse() {
	job "65,536 hosts that refuse"
	say=$scanned run "onmux --rate max" "$onmux" scan 10.9.0.0/16 -p 417/tcp --rate max -o text -o "json=$made/json"
	hold "all are closed" 65536 "$(count closed)"
	local ours=$wall
	RUNS=1 say=$scanned run "nmap -sS -T4" nmap -n -Pn -sS -T4 -p 417 10.9.0.0/16
	hold "nmap's time" "$ours" "($wall)"
	say=- run "zmap -r 10000000 -c 1" zmap -p 417 -i v0 -G "$(ip -n far link show v1 | awk '/ether/ { print $2 }')" -S 10.8.0.1 -b /dev/null -r 10000000 -c 1 \
		-O csv -f saddr,classification --output-filter='repeat = 0' -o "$made/zmap" 10.9.0.0/16
	[ ! -e "$made/zmap" ] || printf '  zmap tells %s resets\n' "$(grep -c rst "$made/zmap")"
	RUNS=1 say=- heard run "masscan --rate 10000000" masscan --rate 10000000 -p417 --interface v0 \
		--router-mac "$(ip -n far link show v1 | awk '/ether/ { gsub(":", "-", $2); print $2 }')" --source-ip 10.8.0.1 10.9.0.0/16
}

small() {
	job "1,024 silent hosts, defaults"
	say=$scanned run "onmux" "$onmux" scan 10.128.0.0/22 -p 417/tcp
	hold "seconds" "$wall" 4
	say=$scanned run "onmux --method connect" "$onmux" scan 10.128.0.0/22 -p 417/tcp --method connect
	hold "seconds" "$wall" 5
	RUNS=1 say=$scanned run "nmap -sS (stopped after 60 s)" timeout 60 nmap -n -Pn -sS -p 417 10.128.0.0/22
}

lossy() {
	job "16,384 open hosts, one packet in ten is lost each way: 19 % of the attempts; defaults"
	ip netns exec far sysctl -qw net.ipv4.tcp_syncookies=2 net.core.somaxconn=65535
	ip netns exec far nft -f - <<'NFT'
table ip loss {
	chain arrives { type filter hook input priority 0; tcp dport 417 numgen random mod 100 < 10 drop; }
	chain leaves { type filter hook output priority 0; tcp sport 417 tcp flags syn numgen random mod 100 < 10 drop; }
}
NFT
	ip netns exec far python3 -c '
import socket, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", 417)); s.listen(65535); time.sleep(900)' &
	local listener=$!
	"$onmux" probe 10.10.0.1:417/tcp --wait 30s --expect open -q >/dev/null
	say=$scanned RUNS=1 run "onmux" "$onmux" scan 10.10.0.0/18 -p 417/tcp -o text -o "json=$made/json"
	hold "not told open" "16384 - $(count open)" 2
	hold "points of loss from the truth" "$(python3 -c 'import json, sys; print(abs(100 * json.load(open(sys.argv[1]))["summary"]["loss"] - 19))' "$made/json")" 2
	RUNS=1 say=$scanned run "nmap -sS -T4" nmap -n -Pn -sS -T4 -p 417 10.10.0.0/18 -oG "$made/nmap"
	printf '  nmap tells %s of 16384 open\n' "$(grep -c 417/open "$made/nmap" || true)"
	kill "$listener"
	ip netns exec far nft delete table ip loss
}

eight() {
	job "16,777,216 silent addresses, each asked once"
	say=$scanned run "onmux, a /16" "$onmux" scan 10.128.0.0/16 -p 417/tcp --rate max --retries 0
	say=$scanned run "onmux, a /12" "$onmux" scan 10.128.0.0/12 -p 417/tcp --rate max --retries 0
	local each=$cpu
	say=$scanned RUNS=1 run "onmux, a /8" "$onmux" scan 11.0.0.0/8 -p 417/tcp --rate max --retries 0 --yes
	hold "1.2 times as much processor time an address as in a /12" "$cpu / 2^24" "1.2 * $each / 2^20"
	hold "KiB" "$rss" 65536
	RUNS=1 run "onmux -q -o json, a /8" "$onmux" scan 11.0.0.0/8 -p 417/tcp --rate max --retries 0 --yes -q -o "json=$made/json"
	hold "KiB" "$rss" 65536
}

connect() {
	job "65,536 hosts that refuse, without privileges"
	say=$scanned run "onmux --method connect --rate max" "$onmux" scan 127.0.0.0/16 -p 417/tcp --method connect --rate max -o text -o "json=$made/json"
	hold "all are closed" 65536 "$(count closed)"
	local ours=$wall
	say=$scanned run "nmap -sT" nmap -n -Pn -sT -p 417 127.0.0.0/16
	hold "nmap's time" "$ours" "($wall)"
}

here() {
	job "5,000 listening sockets, what holds one port"
	python3 - <<'PY' &
import resource, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (6000, 6000))
held = []
for port in range(20000, 25000):
    s = socket.socket()
    s.bind(("127.0.0.1", port))
    s.listen(1)
    held.append(s)
time.sleep(600)
PY
	local crowd=$!
	"$onmux" check 24999/tcp --expect listening --wait 30s -q >/dev/null
	say=listening run "onmux check" "$onmux" check 24999/tcp
	say=listening run "onmux check -q (no owner)" "$onmux" check 24999/tcp -q
	run "ss -lntp sport = :24999" ss -Hlntp 'sport = :24999'
	run "lsof -i :24999" lsof -nP -i :24999
	run "fuser 24999/tcp" fuser 24999/tcp
	kill "$crowd"
}

net
for part in ${*:-silent refuse small lossy eight connect local}; do
	case $part in
	silent | refuse | small | lossy | eight | connect) $part ;;
	local) here ;;
	*) echo "bench.sh: no part \"$part\": silent refuse small lossy eight connect local" >&2 && exit 2 ;;
	esac
done
printf '\n%d failed\n' "$failed"
[ "$failed" = 0 ]
