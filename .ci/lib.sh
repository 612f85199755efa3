# shellcheck shell=bash
# What the steps of .ci/run stand on: installing what is missing, asking cargo
# about the workspace, and telling how long each step took.

CI_CACHE="${CI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/device-protocols-ci}"
VENV="$CI_CACHE/python"
TOOLS="$CI_CACHE/tools"
MSRV_RUSTC="$CI_CACHE/msrv/rustc"

# The tests that talk to foreign programs read these.
export INTEROP="${INTEROP:-required}"
export INTEROP_PYTHON="$VENV/bin/python"
export INTEROP_NODE_PATH="$CI_CACHE/node/node_modules"
export INTEROP_SOCKETIO_PATH="$CI_CACHE/socketio"
export INTEROP_CHROMIUM="${INTEROP_CHROMIUM:-/usr/bin/chromium}"

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
export CARGO_INCREMENTAL=0
export CARGO_NET_RETRY=10
export CARGO_TERM_COLOR=never
# Back traces keep their lines; linking and the disk are spared the rest.
export CARGO_PROFILE_DEV_DEBUG="${CARGO_PROFILE_DEV_DEBUG:-line-tables-only}"
export DEBIAN_FRONTEND=noninteractive
export PIP_DISABLE_PIP_VERSION_CHECK=1
# Debian has brokers where not every user looks.
export PATH="$TOOLS/bin:$PATH:/usr/sbin"

DEBIAN_PACKAGES=(
  chromium chromium-driver fonts-noto-cjk # the demo page, looked at as a person would
  libbcprov-java                          # XTEA as Bouncy Castle does it
  curl                                    # a foreign HTTP client
  openssl                                 # signatures, computed elsewhere
  mosquitto mosquitto-clients jq          # a foreign broker, its clients, a reader that rounds ids
  valgrind                                # instruction counts
  strace                                  # disks that fail
  redis-server redis-tools                # the store of a cluster
  libz3-4 libxml2 libedit2                # what the older compiler's LLVM links to
  libssl-dev pkg-config                   # duvet links to OpenSSL
)
declare -A TOOL_VERSIONS=([duvet]=0.4.3 [cargo-deny]=0.20.2 [cargo-fuzz]=0.13.2)
NODE_PACKAGES=(
  ws@8
  socket.io-client-1@npm:socket.io-client@1.7.4
  socket.io-client-2@npm:socket.io-client@2.5.0
  socket.io-client-4@npm:socket.io-client@4.8.4
  socket.io-2@npm:socket.io@2.5.1
  socket.io-4@npm:socket.io@4.8.1
)

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# Downloads fail now and then; four tries in a good minute tell that from a real no.
retry() {
  local pause
  for pause in 5 15 45 0; do
    "$@" && return
    ((pause == 0)) || sleep "$pause"
  done
  return 1
}

as_root() {
  if ((EUID == 0)); then "$@"; else sudo --preserve-env=DEBIAN_FRONTEND "$@"; fi
}

installed() {
  [[ $(dpkg-query --show --showformat='${Status}' "$1" 2>/dev/null) == 'install ok installed' ]]
}

system_packages() {
  local package missing=()
  for package in "${DEBIAN_PACKAGES[@]}"; do
    installed "$package" || missing+=("$package")
  done
  # These are as good from elsewhere.
  command -v javac >/dev/null || missing+=(default-jdk-headless)
  command -v node >/dev/null || missing+=(nodejs)
  command -v npm >/dev/null || missing+=(npm)
  command -v cc >/dev/null || missing+=(gcc libc6-dev)
  command -v c++ >/dev/null || missing+=(g++)
  python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
  ((${#missing[@]})) || return 0
  echo "installing ${missing[*]}"
  retry as_root apt-get update --quiet=2
  retry as_root apt-get install --quiet=2 --yes --no-install-recommends \
    -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "${missing[@]}"
}

python_packages() {
  cmp --silent .ci/requirements.txt "$VENV/installed.txt" && return
  rm -rf "$VENV"
  mkdir -p "$CI_CACHE"
  python3 -m venv "$VENV"
  retry "$VENV/bin/pip" install --quiet --requirement .ci/requirements.txt
  cp .ci/requirements.txt "$VENV/installed.txt"
}

# Two versions of one package, each in a folder of its own: 4 speaks Engine.IO 3, 5 speaks 4.
socketio_packages() {
  local version list folder
  for version in 4 5; do
    list=".ci/socketio-$version.txt"
    folder="$INTEROP_SOCKETIO_PATH/$version"
    cmp --silent "$list" "$folder/installed.txt" && continue
    rm -rf "$folder"
    mkdir -p "$folder"
    retry "$VENV/bin/pip" install --quiet --upgrade --target "$folder" --requirement "$list"
    cp "$list" "$folder/installed.txt"
  done
}

node_packages() {
  local folder="$CI_CACHE/node"
  [[ $(cat "$folder/installed.txt" 2>/dev/null) == "${NODE_PACKAGES[*]}" ]] && return
  rm -rf "$folder"
  mkdir -p "$folder"
  retry npm install --silent --no-audit --no-fund --prefix "$folder" "${NODE_PACKAGES[@]}"
  echo "${NODE_PACKAGES[*]}" >"$folder/installed.txt"
}

# What the lock file beside a manifest names; a stale one is told apart from a
# failed download.
fetch_locked() {
  local said
  said="$(cargo fetch --locked --manifest-path "$1" 2>&1)" && return
  [[ $said != *'--locked was passed'* ]] ||
    fail "the lock file of $1 is out of date; run cargo check beside it and commit the lock file"
  retry cargo fetch --locked --manifest-path "$1"
}

# A program from the crate registry, built once and kept. Unoptimised: it is
# used for seconds and would take minutes longer to build.
cargo_tool() {
  local name="$1" version="${TOOL_VERSIONS[$1]}"
  grep -qs "^\"$name $version " "$TOOLS/.crates.toml" && [[ -x $TOOLS/bin/$name ]] && return
  echo "building $name $version"
  CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR="$CARGO_TARGET_DIR/ci/tools" \
    retry cargo install --quiet --debug --locked --force --root "$TOOLS" "$name@$version"
}

# The compiler that the manifests promise, unpacked from Debian's packages into
# a folder of its own: rustup's other toolchains cannot be had everywhere.
msrv_compiler() {
  local version folder="$CI_CACHE/msrv"
  version="$(msrv)"
  [[ $version != *$'\n'* ]] || fail "the published crates promise several versions of Rust: $version"
  "$MSRV_RUSTC" --version 2>/dev/null | grep -F "rustc $version." >/dev/null && return
  rm -rf "$folder"
  mkdir -p "$folder/packages"
  (
    cd "$folder/packages" || exit
    retry as_root apt-get update --quiet=2
    retry apt-get -o APT::Sandbox::User=root download --quiet=2 "rustc-web=$version*" "libstd-rust-web-dev=$version*" \
      "libstd-rust-web-$version" libllvm19
    local package
    for package in *.deb; do
      dpkg --extract "$package" "$folder"
    done
  )
  rm -rf "$folder/packages"
  cat >"$MSRV_RUSTC" <<SCRIPT
#!/bin/sh
LD_LIBRARY_PATH="$folder/usr/lib/x86_64-linux-gnu:$folder/usr/lib/llvm-19/lib" exec "$folder/usr/bin/rustc" "\$@"
SCRIPT
  chmod +x "$MSRV_RUSTC"
  "$MSRV_RUSTC" --version | grep -F "rustc $version."
}

# Prints one line for each workspace member for which the Python expression,
# given the package as `p`, is true.
members_where() {
  cargo metadata --locked --no-deps --format-version 1 | python3 -c "
import json, sys
for p in json.load(sys.stdin)['packages']:
    if $1:
        print($2)
"
}

published_crates() { members_where "p['publish'] is None" "p['name']"; }

unpublished_crates() { members_where "p['publish'] == []" "p['name']"; }

# The oldest compiler that the published crates promise: one for all of them.
msrv() { members_where "p['publish'] is None" "p['rust_version']" | sort -u; }

# Every package that comes with a published crate, default features and all of
# them, without versions: a version is Cargo.lock's business.
dependency_list() {
  local crate crates features
  crates="$(published_crates)"
  for crate in $crates; do
    for features in --no-default-features '' --all-features; do
      echo "$crate${features:+ $features}:"
      # shellcheck disable=SC2086
      cargo tree --locked --edges normal --package "$crate" $features --prefix none --format '{p}' |
        sed -n '2,$s/^\([^ ]*\) .*/  \1/p' | LC_ALL=C sort -u
    done
  done
}

# cargo-fuzz wants nightly; without one, the stable compiler lets it in.
fuzz() {
  if rustup toolchain list 2>/dev/null | grep "^nightly" >/dev/null; then
    cargo +nightly fuzz "$@"
  else
    RUSTC_BOOTSTRAP=1 cargo fuzz "$@"
  fi
}

step_names() { printf '%s\n' "${STEPS[@]%% *}"; }

TIMES=()
CURRENT_STEP=''

step() {
  local name="$1" started=$SECONDS
  CURRENT_STEP="$name"
  printf '\n=== %s\n' "$name"
  "step_$name"
  CURRENT_STEP=''
  TIMES+=("$(printf '%-14s %5d s' "$name" $((SECONDS - started)))")
  echo "=== $name: $((SECONDS - started)) s"
}

summary() {
  local status=$?
  printf '\n%s\n' '--- time of each step'
  ((${#TIMES[@]} == 0)) || printf '%s\n' "${TIMES[@]}"
  printf '%-14s %5d s\n' total "$SECONDS"
  if ((status == 0)); then echo 'GATE PASSED'; else echo "GATE FAILED in step ${CURRENT_STEP:-none}"; fi
}

main() {
  if [[ ${1:-} == --list ]]; then
    printf '%s\n' "${STEPS[@]}"
    return
  fi
  local name names=("$@")
  (($#)) || mapfile -t names < <(step_names)
  for name in "${names[@]}"; do
    step_names | grep -xF -- "$name" >/dev/null || fail "no step is called $name; .ci/run --list names them"
  done
  mkdir -p "$CARGO_TARGET_DIR/ci"
  trap summary EXIT
  for name in "${names[@]}"; do
    step "$name"
  done
}

# Features of a crate that promise to work without std; `arbitrary` needs it.
no_std_features() {
  cargo metadata --format-version 1 --no-deps |
    python3 -c '
import json, sys
packages = json.load(sys.stdin)["packages"]
features = next(p["features"] for p in packages if p["name"] == sys.argv[1])
print("\n".join(f for f in features if f not in ("default", "std", "arbitrary")))
' "$1"
}
