#!/usr/bin/env bash
# Searches with each target for SECONDS (60 unless given) and exits with 1 if one of them found something.
# What was found lies in fuzz/artifacts/TARGET/: mend it, and keep the input in fuzz/corpus/TARGET/.
# TARGETS="media ledger" names which; all of them unless given.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-60}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "usage: fuzz/run.sh [SECONDS]" >&2; exit 64; }
read -ra targets <<<"${TARGETS:-manifest media replies ledger}"

# One input may take so long, in seconds, and so much memory, in MiB: more is a finding.
input_seconds=20
memory=1024

cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked
# What instruments the program is a switch of the compiler that the stable one hides.
export RUSTC_BOOTSTRAP=1

# Inputs found on the way stay out of the repository; ledgers are written to memory where that is possible.
scratch=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")")
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch

failed=()
for target in "${targets[@]}"; do
  printf '\n== %s, %s s\n' "$target" "$seconds"
  mkdir "$scratch/$target"
  seeds=("corpus/$target")
  [ "$target" != media ] || seeds+=(../tests/fixtures/media)
  # No sanitizer: there is no unsafe code to watch.
  cargo fuzz run --sanitizer none "$target" "$scratch/$target" "${seeds[@]}" -- \
    -max_total_time="$seconds" -timeout="$input_seconds" -rss_limit_mb="$memory" -max_len=32768 \
    -print_final_stats=1 -verbosity=1 2>&1 | grep -vE '\b(REDUCE|NEW|RELOAD|NEW_FUNC) ' || failed+=("$target")
done
[ ${#failed[@]} -eq 0 ] || { printf '\nfound something: %s\n' "${failed[*]}" >&2; exit 1; }
