#!/bin/sh
# Makes the pictures of the README from what onmux prints on a terminal of 80 columns, in a
# network namespace of its own, while a server answers on 127.0.0.1:5432. As root, with
# script(1) and ip(8):
#
#	testdata/picture.sh
set -e
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
CGO_ENABLED=0 go build -o "$dir/onmux" .
go test -c -o "$dir/postgres" .
go build -o "$dir/picture" testdata/picture.go
cat >"$dir/session" <<'SESSION'
stty cols 80 rows 40
for command in "onmux check 5432" "onmux probe 127.0.0.1:5432/tcp" \
	"onmux scan 127.0.0.0/24 -p 5432/tcp --identify"; do
	printf '\033[2m$\033[22m \033[1m%s\033[22m\n' "$command"
	$command 2>&1
	echo
done
SESSION
PATH=$dir:$PATH DIR=$dir LC_ALL=C.UTF-8 TERM=xterm unshare -n sh -c '
	ip link set lo up
	mkfifo "$DIR/ready"
	postgres >"$DIR/ready" &
	server=$!
	read _ <"$DIR/ready"
	script -qec "sh $DIR/session" /dev/null >"$DIR/output"
	kill $server'
for theme in light dark; do
	"$dir/picture" $theme <"$dir/output" >"testdata/picture-$theme.svg"
done
