#!/usr/bin/env bash
# Writes deploy/kubernetes.schema.json, a schema of the kinds of Kubernetes that the manifests use, from the Go
# types of its API: kubernetes.sh VERSION, as v0.36.6. They are a module of their own, because onmux needs
# none of what they import.
set -euo pipefail
cd "$(dirname "$0")"
version=${1:-v0.36.6}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
sed '/^\/\/go:build/d' kubernetes.go >"$dir/main.go"
here=$PWD
cd "$dir"
go mod init schema
go get "k8s.io/api@$version" "k8s.io/apimachinery@$version"
go mod tidy
go run . "$(go list -m -f '{{.Dir}}' k8s.io/api)" "$version" >"$here/deploy/kubernetes.schema.json"
