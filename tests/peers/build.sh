#!/bin/sh
# Builds the programs that the live tests start (`make peers`): kube-apiserver with etcd, CoreDNS, and
# kustomize, which renders deploy/.
#
# They go to $TENANTDNS_PEERS, by default target/peers; a relative path starts at the repository.
# A program is built again only when its sources, its version or the Go toolchain changed.
set -eu

COREDNS=v1.14.7
KUBERNETES=v1.36.3
KUSTOMIZE=v5.8.1

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
peers=${TENANTDNS_PEERS:-target/peers}
mkdir -p "$peers"
peers=$(cd "$peers" && pwd)

if ! command -v go >/dev/null; then
	echo "peers: Go is needed to build the API server and CoreDNS: https://go.dev/dl" >&2
	exit 1
fi

# current NAME STAMP: whether the program is there and was built from what the stamp says.
current() {
	[ -x "$peers/$1" ] && [ "$(cat "$peers/$1.stamp" 2>/dev/null)" = "$2" ]
}

# build NAME STAMP COMMAND...: runs the command in a folder of its own and takes the program from
# there, so that an interrupted build leaves the old program and running tests keep theirs.
build() {
	name=$1 stamp=$2
	shift 2
	if current "$name" "$stamp"; then
		echo "peers: $peers/$name is up to date"
		return
	fi
	echo "peers: building $name (minutes the first time, seconds when Go has it cached)"
	began=$(date +%s)
	rm -rf "$peers/$name.new"
	mkdir "$peers/$name.new"
	"$@" "$peers/$name.new"
	mv -f "$peers/$name.new/$name" "$peers/$name"
	rmdir "$peers/$name.new"
	echo "$stamp" >"$peers/$name.stamp"
	echo "peers: built $peers/$name in $(($(date +%s) - began)) s"
}

# What `go build` can't know from published modules: the release that /version reports.
version=k8s.io/component-base/version
minor=${KUBERNETES#v1.}
release="-X $version.gitVersion=$KUBERNETES -X $version.gitMajor=1 -X $version.gitMinor=${minor%%.*}"

apiserver() {
	(cd "$here/apiserver" && go build -mod=readonly -trimpath -ldflags "-s -w $release" -o "$1/apiserver" .)
}

coredns() {
	GOBIN=$1 go install -trimpath -ldflags '-s -w' "github.com/coredns/coredns@$COREDNS"
}

kustomize() {
	GOBIN=$1 go install -trimpath -ldflags '-s -w' "sigs.k8s.io/kustomize/kustomize/v5@$KUSTOMIZE"
}

go=$(go env GOVERSION)
sources=$(cat "$here/apiserver/main.go" "$here/apiserver/go.mod" "$here/apiserver/go.sum" | cksum)
grep -q "k8s.io/kubernetes $KUBERNETES\$" "$here/apiserver/go.mod" || {
	echo "peers: apiserver/go.mod doesn't require k8s.io/kubernetes $KUBERNETES" >&2
	exit 1
}
build apiserver "$KUBERNETES $go $sources" apiserver
build coredns "$COREDNS $go" coredns
build kustomize "$KUSTOMIZE $go" kustomize
