#!/usr/bin/env bash
# Builds kube-apiserver and kube-controller-manager from Debian's own source package into a cache folder, once per machine.
# The packages that it needs are installed by setup.sh (require_kubernetes); it needs no root and changes nothing of the system.
#   build.sh [FOLDER]    FOLDER defaults to ${XDG_CACHE_HOME:-~/.cache}/hexabase-drconsole/kubernetes-1.20.2
# What others may rely on: FOLDER/complete exists only beside whole, tested binaries; FOLDER/build.pid names the process that
# builds; FOLDER/failed says why the last attempt ended without binaries. A build that was killed is begun again from nothing.
set -euo pipefail

folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/hexabase-drconsole/kubernetes-1.20.2}
mkdir -p "$folder"
exec 9>"$folder/build.lock"
if ! flock -n 9; then
  echo "Another build of Kubernetes is running; waiting for it…" >&2
  flock 9
fi
if [ -e "$folder/complete" ]; then exit 0; fi

started=$SECONDS
work=$folder/work
log=$folder/build.log
rm -rf "$work" "$folder/failed"
mkdir -p "$work"
echo $$ >"$folder/build.pid"
step=starting
finish() {
  local code=$?
  if [ "$code" != 0 ]; then
    { echo "Kubernetes could not be built ($step). The end of $log:"; tail -n 15 "$log" 2>/dev/null || true; } | tee "$folder/failed" >&2
  fi
  # Go's module cache is read-only by design; ours holds none, but a half-written tree may still be.
  chmod -R u+w "$work" 2>/dev/null || true
  rm -rf "$work" "$folder/build.pid"
  exit "$code"
}
trap finish EXIT
trap 'exit 143' TERM INT

say() {
  step=$1
  echo "Kubernetes: $step ($((SECONDS - started)) s)" >&2
}

: >"$log"
say "fetching Debian's source package"
# apt's own lists stay as they are: the sources of binaries are read as sources of source packages, in a state folder of our own.
mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
: >"$work/apt/sources.list"
mkdir "$work/apt/sources.d"
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  [ -e "$file" ] || continue
  sed -n 's/^[[:space:]]*deb[[:space:]]/deb-src /p' "$file" >>"$work/apt/sources.list"
done
for file in /etc/apt/sources.list.d/*.sources; do
  [ -e "$file" ] || continue
  sed 's/^Types:.*/Types: deb-src/' "$file" >"$work/apt/sources.d/$(basename "$file")"
done
options=(-o "Dir::Etc::SourceList=$work/apt/sources.list" -o "Dir::Etc::SourceParts=$work/apt/sources.d"
  -o "Dir::State::Lists=$work/apt/lists" -o "Dir::Cache=$work/apt/cache" -o APT::Sandbox::User=root -o Acquire::Retries=3)
# One source of several that does not answer need not be the one that is asked for.
apt-get "${options[@]}" update >>"$log" 2>&1 || true
version=$(apt-cache "${options[@]}" showsrc kubernetes 2>>"$log" | sed -n 's/^Version: //p' | grep -m1 '1\.20\.2')
(cd "$work" && apt-get "${options[@]}" -y source "kubernetes=$version") >>"$log" 2>&1
trees=("$work"/kubernetes-*/)
tree=${trees[0]%/}
[ -d "$tree/cmd/kube-apiserver" ]

say "compiling kube-apiserver and kube-controller-manager; several minutes"
# With the vendored 1.0.1 under Go 1.19 the server dies at the first custom resource.
rm -rf "$tree/vendor/github.com/modern-go/reflect2"
cp -a /usr/share/gocode/src/github.com/modern-go/reflect2 "$tree/vendor/github.com/modern-go/reflect2"
mkdir -p "$tree/.go/src/k8s.io"
ln -s "$tree" "$tree/.go/src/k8s.io/kubernetes"
cd "$tree/.go/src/k8s.io/kubernetes"
# -s -w leave out what only a debugger reads, "providerless" the clouds' own libraries: each halves what is linked, written and loaded.
# GOGC: the compiler's processes are short, collecting garbage in them is a waste.
env GOPATH="$tree/.go" GOCACHE="$work/gocache" PATH="/usr/lib/go-1.19/bin:$PATH" CGO_ENABLED=0 GOPROXY=off GO111MODULE=off \
  GOTOOLCHAIN=local GOFLAGS=-tags=providerless GOGC=800 HOME="$work" \
  make WHAT="cmd/kube-apiserver cmd/kube-controller-manager" GOLDFLAGS="-s -w" >>"$log" 2>&1
cd /
for program in kube-apiserver kube-controller-manager; do
  found=$(find "$tree/_output" -type f -name "$program" -perm -u+x | head -n 1)
  "$found" --version >>"$log" 2>&1
  install -m 755 "$found" "$folder/$program.new"
  mv "$folder/$program.new" "$folder/$program"
done
echo "$version, built in $((SECONDS - started)) s" >"$folder/complete.new"
mv "$folder/complete.new" "$folder/complete"
say "built into $folder"
