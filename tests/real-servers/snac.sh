#!/bin/sh
# snac, a small server that speaks Mastodon's protocol, from Debian's package, which is unpacked and not installed.
# Run by real-servers.sh. A few seconds to install.
#
# It takes every post twice that is sent twice, whatever the key: what is there once was read back before it was sent
# again. Its way of deleting is a page, not the protocol: it must not be believed when it answers that nothing is there.
set -eu
here=$(realpath "$(dirname "$0")")
. "$here/common.sh"

version=2.75-2
url=http://localhost:8001
between=http://localhost:8002
accounts=0 account=brand

install() {
    ! installed $version || return 0
    rm -rf ./* && mkdir -p lists/partial cache/archives/partial
    # From where this machine gets its own packages.
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1)
    [ -n "$mirror" ] || return 1
    printf 'deb [signed-by=%s] %s trixie main\n' /usr/share/keyrings/debian-archive-keyring.gpg "$mirror" >sources.list
    # Nothing of the machine's own apt is read or changed but its keys.
    cat >apt.conf <<CONF
Dir::Etc::SourceList "$PWD/sources.list";
Dir::Etc::SourceParts "-";
Dir::State::Lists "$PWD/lists";
Dir::Cache "$PWD/cache";
APT::Sandbox::User "root";
CONF
    apt-get -c apt.conf update || return 1
    apt-get -c apt.conf download snac2=$version || return 1
    dpkg-deb -x snac2_*.deb . || return 1
    rm -rf lists cache snac2_*.deb
    ! ldd usr/bin/snac | grep 'not found' || return 1
    printf '%s' $version >installed
}

script() { node "$here/snac.mjs" "$@"; }

manifest() {
    printf 'text: "%s: killed"\n' "$2"
    case $1 in
        text | edit) printf 'to: { %s: }' "$account" ;;
        images) printf 'media: [{ file: good.jpg, alt: A sea }, { file: photo.png, alt: A photo }]\nto: { %s: }' "$account" ;;
        thread) printf 'to: { %s: { parts: ["%s-second: killed", "%s-third: killed"] } }' "$account" "$2" "$2" ;;
    esac
}

# An account of its own for each series: gitcast keeps to the limits that Mastodon has for one, such as 30 uploads in half
# an hour, also where a server has none.
begin_series() {
    accounts=$((accounts + 1)) account=user$accounts
    add_user $account
    sed -i "/^accounts:/a\\  $account:\\n    platform: mastodon\\n    handle: \"@$account@snac.example\"\\n    endpoint: $url" \
        content/gitcast.yaml
    log_in $account --print-url
}

# Before a kill: the post is new, or it is live and has another text now.
begin() {
    post "$2" "$(manifest "$1" "$2")"
    case $1 in
        edit)
            settle "$2"
            write "$2" "text: \"$2: edited\"
to: { $account: }"
            ;;
        thread) ids="$ids $2-second $2-third" ;;
    esac
}

add_user() {
    "$folder/usr/bin/snac" adduser data "$1" >adduser.log 2>&1 || fail "no user $1"
    printf '%s %s\n' "$1" "$(sed -n 's/^User password is //p' adduser.log)" >>users
}

serve() {
    printf '127.0.0.1\n8001\nlocalhost:8001\n\n\n\n' | "$folder/usr/bin/snac" init data >init-snac.log 2>&1
    sed -i 's/"protocol": "https"/"protocol": "http"/' data/server.json
    add_user brand
    keep snac "$folder/usr/bin/snac" httpd data
}

# Logs in on a page of the server: the browser comes back by itself, or its last address is pasted.
log_in() {
    user=$1
    shift
    rm -f page && mkfifo answer
    "$gitcast" auth login "$user" "$@" <answer >page 2>login.log &
    login=$!
    exec 3>answer
    await test -s page
    script log-in "$(head -n 1 page)" "$user" >ended || fail "the page of the server"
    case $1 in --paste) cat ended >&3 ;; *) script visit "$(cat ended)" || fail "the browser cannot come back" ;; esac
    exec 3>&-
    wait $login || fail "login"
    rm answer
}

posts() {
    post text 'text: "text: 🎉 Größe שלום e\u0301 \"as is\" #rust (https://a.example/é)."
to: { brand: { language: de } }'
    post images 'text: "images: two"
media: [{ file: good.jpg, alt: "A \"sea\", é" }, { file: photo.png, alt: A photo }]
to: { brand: { warning: Water } }'
    # Another picture with a name that is taken: this server calls a file by its name alone.
    mkdir content/other
    cp "$media/rotated-exif.jpg" content/other/good.jpg
    printf 'id: other\ntext: "other: a name that is taken"\nmedia: [{ file: good.jpg, alt: Another }]\nto: { brand: }\n' \
        >content/other/other.yaml
    ids="$ids other"
    post video 'text: "video: one"
media: [{ file: good.mp4, alt: A clip }]
to: { brand: }'
    post thread 'text: "thread: one"
media: [{ file: photo.png, alt: A photo }]
to: { brand: { parts: ["thread-2: Größe #two", "thread-3: three"] } }'
    ids="$ids thread-2 thread-3"
    post private 'text: "private: followers"
to: { brand: { visibility: private } }'
    post edited 'text: "edited: before"
media: [{ file: good.jpg, alt: A sea }]
to: { brand: }'
    post stays 'text: "stays: cannot be deleted here"
to: { brand: }'
    write gone 'text: "gone: deleted on a page"
to: { brand: }'
    apply || fail "the first posts"
    root=$("$gitcast" show text --json | sed -n 's/.*"remote_id": *"\([0-9a-f]*\)".*/\1/p' | head -n 1)
    [ -n "$root" ] || fail "no id"
    post answer "text: \"answer: to it\"
to: { brand: { reply: \"$root\" } }"
    apply || fail "the reply"
}

edit() {
    order 'PUT /api/v1/statuses lost'
    sed -i 's/before/after é/' content/edited.yaml
    settle edited
    obeyed edited
}

# What goes wrong on the way. Nothing that this server says makes up for looking whether a post is there.
lose() {
    obey way <<'ORDERS'
text POST /api/v1/statuses unsent
text POST /api/v1/statuses cut
text POST /api/v1/statuses lost
text POST /api/v1/statuses lost,GET /api/v1/ lost
images POST /api/v2/media cut
images POST /api/v2/media lost
images POST /api/v1/statuses lost
images POST /api/v1/statuses cut
thread POST /api/v1/statuses lost,POST /api/v1/statuses cut,POST /api/v1/statuses lost
ORDERS
}

# The server answers 404 to every deletion, also of what is there.
delete() {
    for id in stays gone; do printf 'state: deleted\n' >>content/$id.yaml; done
    script delete "$(script find gone)" || fail "nothing to delete"
    code=0
    apply || code=$?
    [ $code = 3 ] || fail "a deletion that the server does not do ended with $code"
    rm content/stays.yaml content/gone.yaml
}

# Behind many newer posts a lost one is in no list any more. It must not be taken for absent: a person decides.
crowd() {
    begin_series
    begin text crowd
    code=0
    GITCAST_CRASH_AT=after-answer:3 "$gitcast" apply --auto-approve >crash.log 2>&1 || code=$?
    [ $code = 137 ] || fail "crowd ended with $code"
    runs=$((runs + 1)) kills=$((kills + 1)) code=0
    script crowd "$account" 300
    apply || code=$?
    [ $code = 0 ] || [ $code = 4 ] || fail "what is behind a crowd ended with $code"
}

run() {
    folder=$1 gitcast=$2 begun=$(date +%s)
    new_project <<SETTINGS
platform: mastodon
handle: "@brand@snac.example"
endpoint: $between
SETTINGS
    serve
    keep between script between 8002
    await script visit $between/api/v1/instance
    log_in brand --print-url
    posts
    edit
    lose
    delete
    "$gitcast" auth logout brand >logout.log 2>&1 || fail "logout"
    log_in brand --paste --redirect-uri https://posts.example/callback
    kill_gitcast text images thread edit
    crowd
    # shellcheck disable=SC2086 # ids are single words
    script check "$media" $ids || fail "what is there is not what was posted"
    "$gitcast" doctor >doctor.log 2>&1 || fail "doctor"
    printf 'snac %s: %s runs, %s killed, in %s s\n' $version "$runs" "$kills" $(($(date +%s) - begun))
}

"$@"
