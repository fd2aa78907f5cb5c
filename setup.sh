# Shared by ./run and ./test: finds or installs what this project needs from the system. Sourced, not run.

require_dotnet() {
  if ! command -v dotnet >/dev/null || ! dotnet --list-sdks | grep -q '^10\.'; then
    echo "The .NET 10 SDK is missing. Install it (package dotnet-sdk-10.0), then start again." >&2
    exit 1
  fi
  export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
}

# Debian's packages, without starting the services that some of them bring.
install_packages() {
  local sudo=() policy=/usr/sbin/policy-rc.d made_policy=false
  if [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2>/dev/null; then
      echo "Missing: $*. Install with: sudo apt-get install --no-install-recommends $*" >&2
      exit 1
    fi
    sudo=(sudo -n)
  fi
  echo "Installing $*…" >&2
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null
    "${sudo[@]}" chmod 755 "$policy"
    made_policy=true
  fi
  local code=0
  {
    "${sudo[@]}" apt-get -qq -o DPkg::Lock::Timeout=600 update &&
      "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "$@"
  } >&2 || code=$?
  if $made_policy; then "${sudo[@]}" rm -f "$policy"; fi
  if [ "$code" != 0 ]; then
    echo "Could not install $*. Check the network and the package lists, then start again." >&2
    exit 1
  fi
}

# An ordinary user's scratch servers are kept from keys and network by bubblewrap; root has its own means.
require_isolation() {
  if [ "$(id -u)" != 0 ] && ! command -v bwrap >/dev/null; then install_packages bubblewrap; fi
}

require_postgres() {
  local found=(/usr/lib/postgresql/*/bin/postgres)
  if [ ! -x "${found[0]}" ] && ! command -v postgres >/dev/null; then
    install_packages postgresql postgresql-client
  fi
}

# The Redis of lab and tests, and the scratch servers that prove its backups.
require_redis() {
  if ! command -v redis-server >/dev/null || ! command -v redis-cli >/dev/null; then install_packages redis-server redis-tools; fi
}

# The remote site of tests and lab is an OpenSSH server of their own, on a high port.
require_sshd() {
  if [ ! -x /usr/sbin/sshd ] && ! command -v sshd >/dev/null; then install_packages openssh-server openssh-client; fi
}

# The S3 server of tests and lab: Ceph's gateway with a monitor and one store, all in one folder.
require_s3() {
  local program
  for program in radosgw radosgw-admin ceph-mon ceph-osd monmaptool ceph; do
    if ! command -v "$program" >/dev/null; then
      install_packages radosgw ceph-mon ceph-osd ceph-common
      return
    fi
  done
}

# Virtual clusters of tests and lab are real API servers and etcd. Debian has etcd as a package, Kubernetes only as source: that is
# built once per machine into the cache, which takes minutes; with --background the caller goes on, and who needs it waits for it: then
# the process group that builds is printed, for the caller to end.
# KUBEBUILDER_ASSETS (kube-apiserver, etcd, optionally kube-controller-manager) is used instead where it is set.
require_kubernetes() {
  local folder=${XDG_CACHE_HOME:-$HOME/.cache}/hexabase-drconsole/kubernetes-1.20.2
  local missing=()
  command -v etcdctl >/dev/null || missing+=(etcd-client)
  if [ -n "${KUBEBUILDER_ASSETS:-}" ] && [ -x "$KUBEBUILDER_ASSETS/kube-apiserver" ] && [ -x "$KUBEBUILDER_ASSETS/etcd" ]; then
    if [ ${#missing[@]} -gt 0 ]; then install_packages "${missing[@]}"; fi
    return
  fi
  command -v etcd >/dev/null || missing+=(etcd-server)
  if [ -e "$folder/complete" ]; then
    if [ ${#missing[@]} -gt 0 ]; then install_packages "${missing[@]}"; fi
    return
  fi
  [ -x /usr/lib/go-1.19/bin/go ] || missing+=(golang-1.19-go)
  [ -d /usr/share/gocode/src/github.com/modern-go/reflect2 ] || missing+=(golang-github-modern-go-reflect2-dev)
  local program
  for program in rsync jq make gcc; do command -v "$program" >/dev/null || missing+=("$program"); done
  command -v go >/dev/null || missing+=(golang-go)
  command -v dpkg-source >/dev/null || missing+=(dpkg-dev)
  if [ ${#missing[@]} -gt 0 ]; then install_packages "${missing[@]}"; fi
  if [ "${1:-}" = --background ]; then
    # It holds none of the caller's files open: who reads the caller's output must not wait for it.
    mkdir -p "$folder"
    setsid src/Lab/Kubernetes/build.sh </dev/null >"$folder/background.log" 2>&1 &
    echo $!
  else
    src/Lab/Kubernetes/build.sh
  fi
}

# Browser tests draw pages in Chromium; Japanese text needs its fonts.
# The headless shell draws the same pages without a window around them, which costs half; the whole browser does where there is none.
require_browser() {
  if [ ! -d /usr/share/fonts/opentype/noto ]; then install_packages fonts-noto-cjk; fi
  if command -v chromium-headless-shell >/dev/null; then return; fi
  (install_packages chromium-headless-shell) || command -v chromium >/dev/null || install_packages chromium
}

# The peers that the benchmark measures itself against.
require_peers() {
  local missing=()
  command -v restic >/dev/null || missing+=(restic)
  command -v borg >/dev/null || missing+=(borgbackup)
  command -v zstd >/dev/null || missing+=(zstd)
  if [ ${#missing[@]} -gt 0 ]; then install_packages "${missing[@]}"; fi
}
