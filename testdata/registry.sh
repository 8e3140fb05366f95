#!/usr/bin/env bash
# Writes probe/ports/registry.gz, IANA's names of TCP and UDP ports. The names are those of
# Wireshark's services file, in Debian's package libwireshark-data: a copy of IANA's file
# service-names-port-numbers.csv that Wireshark updates each week. The file has no date; that of
# the latest update is in the package's changelog.
#
#   testdata/registry.sh                              downloads the package, which installs nothing
#   testdata/registry.sh SERVICES CHANGELOG VERSION   prints the table of these files
set -euo pipefail

# table has a line for each port or range of ports, in ascending order: "417 onmux" where TCP
# and UDP have one name, "512/tcp exec" where they differ. Of several names it has the first.
table() { # SERVICES CHANGELOG VERSION
	local date
	date=$(sed -n 's/.*\[Automatic update for \([0-9-]*\)\].*/\1/p' "$2" | sed -n 1p)
	[[ $date =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}$ ]] || { echo "$2 has no date of an update" >&2; exit 1; }
	echo "# $date $3"
	awk '
		/^#/ || NF < 2 { next }
		{
			n = split($2, part, "/")
			if (part[1] !~ /^[0-9]+(-[0-9]+)?$/ || part[1] + 0 == 0) next
			for (i = 2; i <= n; i++) {
				if (part[i] == "tcp" && !(part[1] in tcp)) tcp[part[1]] = $1
				if (part[i] == "udp" && !(part[1] in udp)) udp[part[1]] = $1
			}
		}
		END {
			for (port in tcp) print port (port in udp && tcp[port] == udp[port] ? "" : "/tcp"), tcp[port]
			for (port in udp) if (!(port in tcp) || tcp[port] != udp[port]) print port "/udp", udp[port]
		}' "$1" | LC_ALL=C sort -k1,1n -k1,1
}

if [ $# = 3 ]; then
	table "$@"
	exit
fi
out=$(cd "$(dirname "$0")/../probe/ports" && pwd)/registry.gz
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -qq -o APT::Sandbox::User=root libwireshark-data
dpkg-deb -x libwireshark-data_*.deb .
gunzip usr/share/doc/libwireshark-data/changelog.gz
version="libwireshark-data $(dpkg-deb -f libwireshark-data_*.deb Version)"
table usr/share/wireshark/services usr/share/doc/libwireshark-data/changelog "$version" >registry
gzip -9n <registry >"$out"
sed -n 1p registry
