# shellcheck shell=sh disable=SC2154 # here, gitcast: set by those who source it
# What the scripts of real-servers.sh share. Sourced by them, each with two commands:
#
#   install                  in the server's folder: has it there afterwards, or fails
#   run FOLDER GITCAST       in an empty folder and namespaces of its own
#
# A post's text begins with its id, so that what a server has can be told apart.

media=$here/../fixtures/media
ids='' kills=0 runs=0

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    tail -n 20 ./*.log >&2
    exit 1
}

# Whether these releases are installed already, else forgets what is.
installed() {
    [ "$(cat installed 2>/dev/null)" = "$*" ] || { rm -f installed && return 1; }
}

# Starts a server that says what it does in NAME.log, and starts it again when it was killed.
keep() {
    name=$1
    shift
    while :; do
        code=0
        "$@" || code=$?
        [ $code = 137 ] || break
    done >>"$name.log" 2>&1 &
}

# Waits for the command to succeed, a minute at most.
await() {
    tries=0
    until "$@" >await.log 2>&1; do
        tries=$((tries + 1))
        [ $tries -le 600 ] || fail "no end of waiting for: $*"
        sleep 0.1
    done
}

# A project with one account, whose settings come on standard input.
new_project() {
    ip link set lo up
    mkdir content home
    export HOME="$PWD/home"
    printf 'version: 1\naccounts:\n  brand:\n' >content/gitcast.yaml
    sed 's/^/    /' >>content/gitcast.yaml
    "$gitcast" init >init.log 2>&1 || fail "init"
    "$gitcast" validate >validate.log 2>&1 || fail "the settings"
    find content -name '*.yaml' ! -name gitcast.yaml -delete
    for medium in good.jpg photo.png good.mp4; do cp "$media/$medium" content/; done
}

# A manifest: its id, and the rest of it.
write() { printf 'id: %s\n%s\n' "$1" "$2" >"content/$1.yaml"; }

# One whose post is to be there in the end.
post() {
    write "$@"
    ids="$ids $1"
}

apply() {
    runs=$((runs + 1))
    "$gitcast" apply --auto-approve --allow-delete --max-wait 2m >apply.log 2>&1
}

# Runs that end with nothing left to do, five at most.
settle() {
    tries=0
    until apply; do
        tries=$((tries + 1))
        [ $tries -le 5 ] || fail "$1 is not settled"
    done
}

# What a server does at requests, each once, separated by commas. The server's own script knows them.
order() { printf '%s' "$1" | tr ',' '\n' >order; }
obeyed() { [ ! -s order ] || fail "$1: the server was not asked for $(head -n 1 order)"; }

# For each line of standard input, a kind and orders, a post of that kind with the server under these orders.
obey() {
    nth=0
    while read -r kind orders; do
        nth=$((nth + 1))
        id=$kind-$1-$nth
        begin "$kind" "$id"
        order "$orders"
        settle "$id"
        obeyed "$id"
    done
}

# Kills gitcast at each passing of each place, until a run lives to its end, with a post of each of the kinds:
# `begin KIND ID` says what it has to do, after `begin_series` for each place and kind.
kill_gitcast() {
    for point in before-request after-answer before-commit after-commit; do
        for kind in "$@"; do
            nth=1
            begin_series
            while [ $nth -le 40 ]; do
                id=$kind-$point-$nth code=0
                begin "$kind" "$id"
                GITCAST_CRASH_AT=$point:$nth "$gitcast" apply --auto-approve --allow-delete >apply.log 2>&1 || code=$?
                runs=$((runs + 1))
                [ $code != 0 ] || break
                [ $code = 137 ] || fail "$id ended with $code"
                kills=$((kills + 1))
                settle "$id"
                nth=$((nth + 1))
            done
        done
    done
}
