#!/bin/sh
# Looks at the pages with a real browser: Chromium opens each page of a watch and of a preview, wide and as a phone, and is asked
# what it sees, what went wrong, and whom it has asked for anything.
#
#   tests/pages.sh [GITCAST] [FOLDER FOR SCREENSHOTS]
#
# Needs chromium, chromedriver and curl. Exits with 77 where one of them is missing: nothing was tested then.
set -eu

gitcast=$(realpath "${1:-target/debug/gitcast}")
media=$(realpath "$(dirname "$0")/fixtures/media")
shots=${2:+$(mkdir -p "$2" && realpath "$2")}
work=$(mktemp -d)
started=

cleanup() {
    for pid in $started; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT

fail() { printf 'FAILED: %s\n' "$*" >&2; tail -n 20 "$work"/*.log >&2 2>/dev/null || true; exit 1; }

for tool in chromium chromedriver curl; do
    command -v $tool >/dev/null || { printf 'skipped: %s is not installed\n' $tool; exit 77; }
done

# Waits until the command succeeds, twenty seconds at most.
await() {
    tries=0
    until eval "$1"; do
        tries=$((tries + 1))
        [ $tries -le 400 ] || fail "$2"
        sleep 0.05
    done
}

# --- a project in which somebody means harm, and somebody has made a mistake
cd "$work" && mkdir -p content home
export HOME="$work/home"
unset CI
cp "$media/good.jpg" "$media/photo.png" "$media/good.mp4" content/
cat >content/gitcast.yaml <<'YAML'
version: 1
timezone: Europe/Berlin
accounts:
  clips:
    platform: tiktok
    mode: direct
    audited: true
  sky:
    platform: bluesky
    handle: brand.example
media_base_url: https://media.example.com/
YAML
cat >content/clip.yaml <<'YAML'
id: clip
text: "A video of three seconds, with a caption that wraps more than once in a narrow frame. #postsascode"
media:
  - file: good.mp4
    alt: A test picture
to:
  clips: { privacy: public, allow: [comment] }
  sky:
YAML
cat >content/photos.yaml <<'YAML'
id: photos
publish_at: 2035-01-01T09:00
text: See https://example.com/news for more.
media:
  - file: good.jpg
    alt: A test picture
to:
  clips: { privacy: self_only, title: Photos }
  sky: { parts: [The second post., The third one.] }
YAML
cat >content/hostile.yaml <<'YAML'
id: hostile
publish_at: 2035-01-02T09:00
text: "<script>window.owned=1</script><img src=x onerror=window.owned=1>\"'> \u202Eevil javascript:window.owned=1 https://example.com/\"onmouseover=\"window.owned=1"
media:
  - file: photo.png
    alt: "\"><script>window.owned=1</script>"
to:
  sky:
    text: "<svg onload=window.owned=1> [x](javascript:window.owned=1) \e[31m AVeryLongWordAVeryLongWordAVeryLongWordAVeryLongWordAVeryLongWordAVeryLongWord"
    link: { url: "https://example.com/?a=1&b='x'", title: "<b onclick=window.owned=1>card</b>", thumb: 0 }
YAML
printf 'id: broken\ntext: "<script>window.owned=1</script>"\nmedia:\n  - file: none.mp4\nto:\n  sky:\n' >content/broken.yaml

token=0123456789abcdef0123456789abcdef
GITCAST_PAGES_TOKEN=$token "$gitcast" watch --rehearse --listen 127.0.0.1:0 --allow-actions >url 2>watch.log &
started="$started $!"
await '[ -s url ]' "the watch does not start"
base=$(head -n 1 url)
await 'curl -fsS "${base}readyz" >/dev/null 2>&1' "the watch is not ready"
await 'curl -fsS -H "Authorization: Bearer $token" "${base}post-clip.html" | grep -q "chip live"' "the post does not go live"

# --- a browser that notes what goes wrong, and what it loads
chromedriver --port=0 >driver.log 2>&1 &
started="$started $!"
await 'port=$(sed -n "s/.*successfully on port \([0-9]*\).*/\1/p" driver.log 2>/dev/null) && [ -n "$port" ]' "chromedriver does not start"

# One WebDriver command: method, path, body.
driver() {
    curl -sS --max-time 60 -X "$1" -H 'Content-Type: application/json' ${3:+-d "$3"} "http://127.0.0.1:$port$2"
}
options='"--headless","--no-sandbox","--disable-gpu","--disable-quic","--no-first-run","--disable-background-networking","--disable-component-update","--disable-sync","--no-proxy-server","--hide-scrollbars"'
session=$(driver POST /session "{\"capabilities\":{\"alwaysMatch\":{\"goog:loggingPrefs\":{\"browser\":\"ALL\",\"performance\":\"ALL\"},\"goog:chromeOptions\":{\"args\":[$options]}}}}" |
    sed -n 's/.*"sessionId":"\([^"]*\)".*/\1/p')
[ -n "$session" ] || fail "no browser session"
at="/session/$session"

cdp() { driver POST "$at/goog/cdp/execute" "{\"cmd\":\"$1\",\"params\":$2}" >cdp.log; }
visit() { driver POST "$at/url" "{\"url\":\"$1\"}" >visit.log; }
# What a script says of the page; it holds no double quotes, and its answer neither.
ask() { driver POST "$at/execute/sync" "{\"script\":\"$1\",\"args\":[]}" | sed 's/^{"value":"\{0,1\}//;s/"\{0,1\}}$//'; }
screen() { cdp Emulation.setDeviceMetricsOverride "{\"width\":$1,\"height\":$2,\"deviceScaleFactor\":1,\"mobile\":$3}"; }
shoot() {
    [ -n "$shots" ] || return 0
    driver GET "$at/screenshot" | sed 's/^{"value":"//;s/"}$//' | base64 -d >"$shots/$1.png"
}

# Everything that must hold of the page that is open, as one line; `good` if it does.
judge="const wrong = [];
const say = (is, what) => { if (is) wrong.push(what); };
say(window.owned, 'a script of a post has run');
say(document.querySelectorAll('[onerror],[onload],[onclick],[onmouseover],[style],iframe,object,embed,svg').length, 'there is foreign markup');
say([...document.scripts].some((s) => !s.src || new URL(s.src).origin !== location.origin), 'there is a foreign script');
say([...document.links].some((a) => !/^(https?|file):/.test(a.protocol)), 'a link leads to no page');
say(document.querySelectorAll('h1').length !== 1 || !document.documentElement.lang, 'it has no single heading, or no language');
say(document.querySelector('img:not([alt])'), 'an image has no alternative text');
say([...document.images].some((i) => !i.naturalWidth), 'an image is not shown');
say(document.documentElement.scrollWidth > document.documentElement.clientWidth, 'it is wider than the screen');
say(getComputedStyle(document.body).margin !== '0px', 'it has no style');
return wrong.join(', ') || 'good';"
judge=$(printf '%s' "$judge" | tr '\n' ' ')

# Every page that one can get to from this one.
walk() {
    todo=$1 seen=
    while [ -n "$todo" ]; do
        page=${todo%% *} rest=${todo#"$page"}
        todo=${rest# }
        case " $seen " in *" $page "*) continue ;; esac
        seen="$seen $page"
        for size in "1280 900 false" "360 780 true"; do
            # shellcheck disable=SC2086
            screen $size
            visit "$2$page"
            verdict=$(ask "$judge")
            [ "$verdict" = good ] || fail "$2$page at ${size%% *}: $verdict"
        done
        found=$(ask "return [...document.links].map((a) => a.getAttribute('href')).filter((h) => /^[a-zA-Z0-9._-]+[.]html$/.test(h)).join(' ')")
        todo="$todo $found"
        todo=${todo# }
    done
    walked=$(printf '%s\n' $seen | wc -l)
    for page in index.html board.html accounts.html log.html problems.html month-2035-01.html week-2035-W01.html post-clip.html post-photos.html post-hostile.html; do
        case " $seen " in *" $page "*) ;; *) fail "nothing leads to $page" ;; esac
    done
}

visit "${base}login?token=$token"
walk index.html "$base"
served=$walked

# Clicking works, and what is hostile is there to be read.
screen 1280 900 false
visit "$base"
link=$(driver POST "$at/element" '{"using":"link text","value":"Board"}' | sed -n 's/.*"element-[^"]*":"\([^"]*\)".*/\1/p')
[ -n "$link" ] || fail "there is no link to the board"
driver POST "$at/element/$link/click" '{}' >click.log
[ "$(ask "return document.querySelector('h1').textContent")" = Board ] || fail "the link does not lead to the board"
visit "${base}post-hostile.html"
[ "$(ask "return document.body.textContent.includes('<svg onload=window.owned=1>') ? 'yes' : 'no'")" = yes ] || fail "the hostile text is not shown"

# A person acts: the button is sent, and the page that comes back shows it.
visit "${base}post-photos.html"
press() {
    button=$(driver POST "$at/element" "{\"using\":\"css selector\",\"value\":\"#on-sky button\"}" | sed -n 's/.*"element-[^"]*":"\([^"]*\)".*/\1/p')
    [ -n "$button" ] || fail "there is no button"
    driver POST "$at/element/$button/click" '{}' >click.log
}
word="return document.querySelector('#on-sky button').firstChild.textContent"
[ "$(ask "$word")" = Pause ] || fail "the post cannot be paused"
press
await '[ "$(ask "$word")" = Resume ]' "the post is not paused"
[ "$(ask "return location.pathname + location.hash")" = "/post-photos.html#on-sky" ] || fail "the form does not lead back"
[ "$(ask "$judge")" = good ] || fail "after a form: $(ask "$judge")"
press
await '[ "$(ask "$word")" = Pause ]' "the post is not resumed"

# What is saved shows up by itself, without loading the page anew, and the reader stays where they are.
visit "${base}board.html"
live="return document.getElementById('live').textContent"
later="return document.body.textContent.includes('saved-later') ? 'yes' : 'no'"
await '[ "$(ask "$live")" = live ]' "the page does not become live"
ask "window.stays = 1; return ''" >/dev/null
printf 'id: saved-later\npublish_at: 2035-03-01T09:00\ntext: Saved later\nto:\n  sky:\n' >content/later.yaml
await '[ "$(ask "$later")" = yes ]' "a saved post does not show up by itself"
[ "$(ask "return String(window.stays)")" = 1 ] || fail "the page was loaded anew"

# Without scripts, everything is there as well.
cdp Emulation.setScriptExecutionDisabled '{"value":true}'
visit "${base}post-saved-later.html"
cdp Emulation.setScriptExecutionDisabled '{"value":false}'
[ "$(ask "return document.body.textContent.includes('Saved later') ? 'yes' : 'no'")" = yes ] || fail "without scripts, there is no post"

if [ -n "$shots" ]; then
    for scheme in light dark; do
        cdp Emulation.setEmulatedMedia "{\"features\":[{\"name\":\"prefers-color-scheme\",\"value\":\"$scheme\"}]}"
        for page in index month-2035-01 week-2035-W01 board post-clip post-photos post-hostile accounts log problems; do
            screen 1280 900 false; visit "$base$page.html"; shoot "$page-$scheme"
            screen 360 780 true; visit "$base$page.html"; shoot "$page-$scheme-phone"
        done
    done
fi

# The same from a folder, opened from the disk.
"$gitcast" preview --rehearse --out site >/dev/null 2>preview.log || [ $? = 1 ] || fail "there is no preview"
walk index.html "file://$work/site/"
filed=$walked

# Nothing went wrong on the way, and nobody else was asked for anything.
driver POST "$at/se/log" '{"type":"browser"}' >console.json
driver POST "$at/se/log" '{"type":"performance"}' >network.json
driver DELETE "$at" >/dev/null
if grep -q '"level":"\(SEVERE\|WARNING\)"' console.json; then fail "the console says: $(head -c 2000 console.json)"; fi
requests=$(grep -o 'Network.requestWillBeSent\\",\\"params[^}]*\\"documentURL[^}]*' network.json | wc -l)
[ "$requests" -gt 50 ] || fail "the browser tells of $requests requests only"
grep -o '\\"request\\":{[^}]*}[^}]*}' network.json | grep -o '\\"url\\":\\"[^"\\]*' | sed 's/.*\\"//' | sort -u >asked.txt
[ -s asked.txt ] || fail "the browser tells of no addresses"
# (The browser has the pictures of its video controls in itself, as data.)
if grep -v -e '^data:' -e "^$base" -e "^file://$work/site/" asked.txt >others.txt; then fail "others were asked: $(head -n 5 others.txt)"; fi
printf 'passed: %s pages of a watch and %s of a preview, at two widths; %s addresses, all of them ours\n' "$served" "$filed" "$(wc -l <asked.txt)"
