#!/bin/sh
# Installs rkd: on a board as a service started at boot, anywhere else as well.
#   sudo ./install.sh            install or upgrade      ./install.sh --help   everything else
# What it does is in packaging/install/, a noun a file; here is what may be asked of it.
# Nothing runs before the last line, so a download that was cut off does nothing.
set -eu

usage() {
    cat <<'TEXT'
install.sh: install, upgrade or remove rkd

  --user NAME          run as NAME, with the models in ~NAME/RKLLAMA/models
                       (default: who called sudo, else the system user rkd)
  --system             run as the system user rkd, with the models in /var/lib/rkd/models
  --models-dir DIR     keep the models in DIR
  --prefix DIR         install below DIR (default /opt/rkd)
  --wheelhouse DIR     take every package from DIR, nothing from the network
  --gateway            with rkd-gateway: Ollama's and OpenAI's API on 127.0.0.1:11434
  --console            with rkd-console: rkd in a browser, on http://127.0.0.1:7589
  --clocks[=WHEN]      with rkd-clocks: governors at full speed while a model answers
                       (answering, the default) or always; off takes it away again
  --otel               with traces (OpenTelemetry)
  --native-engine      build llama.cpp's llama-server for this processor as well
  --engine-source PATH its source, an archive or a folder (default: downloaded, checksummed)
  --no-start           install, but do not start the service
  --dry-run            say what would be done, and do nothing
  --yes                ask nothing
  --uninstall          remove what was installed, keep the models; with --purge the models too
  --demo               no installation: try rkd with a small model in this folder
Running it again upgrades; when the new version does not become ready, the old one is put back.
TEXT
}

fail() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }

parse() {
    PREFIX='' DRY=0 YES=0 START=1 ACTION=install PURGE=0 NATIVE=0 OTEL=0 GATEWAY=0 CONSOLE=0 CLOCKS=''
    WHO='' MODELS='' WHEELHOUSE='' ENGINE_SOURCE=''
    while [ $# -gt 0 ]; do
        case $1 in
            --user | --models-dir | --prefix | --wheelhouse | --engine-source)
                [ $# -ge 2 ] || fail "$1 needs a value; see --help"
                value "$1" "$2"
                shift
                ;;
            --system) WHO=rkd ;;
            --gateway) GATEWAY=1 ;;
            --console) CONSOLE=1 ;;
            --clocks) CLOCKS=answering ;;
            --clocks=answering | --clocks=always | --clocks=off) CLOCKS=${1#--clocks=} ;;
            --clocks=*) fail "--clocks wants answering, always or off, not ${1#--clocks=}" ;;
            --otel) OTEL=1 ;;
            --dry-run) DRY=1 ;;
            --yes | -y) YES=1 ;;
            --no-start) START=0 ;;
            --native-engine) NATIVE=1 ;;
            --uninstall) ACTION=uninstall ;;
            --purge) PURGE=1 ;;
            --demo) ACTION=demo ;;
            --help | -h) usage; exit 0 ;;
            *) usage >&2; fail "unknown option $1" ;;
        esac
        shift
    done
}

value() {
    case $1 in
        --user) WHO=$2 ;;
        --models-dir) MODELS=$(folder_named "$1" "$2") || exit 1 ;;
        --prefix) PREFIX=$(folder_named "$1" "$2") || exit 1 ;;
        --wheelhouse) WHEELHOUSE=$(cd "$2" 2>/dev/null && pwd) || fail "no folder $2" ;;
        --engine-source) ENGINE_SOURCE=$2 NATIVE=1 ;;
    esac
}

# A folder of its own: not the root, not nothing, and without a way back up.
folder_named() {
    named=$2
    while [ "$named" != "${named%/}" ]; do named=${named%/}; done
    case $named/ in
        *[!A-Za-z0-9/._:@+-]*) fail "folders may not have spaces or other odd characters" ;;
        */../* | */./* | /) fail "$1 wants a folder, not $2" ;;
        /*) printf '%s\n' "$named" ;;
        *) fail "--prefix and --models-dir want absolute paths" ;;
    esac
}

# The files that do it: beside this one in a checkout, an archive or an installed version, else in
# the wheel that lies beside it.
find_parts() {
    PARTS=$HERE/packaging/install
    [ ! -f "$PARTS/say.sh" ] || return 0
    for wheel in "$HERE"/rkd_llm-*.whl ${WHEELHOUSE:+"$WHEELHOUSE"/rkd_llm-*.whl}; do
        [ -f "$wheel" ] || continue
        UNPACKED=$(mktemp -d)
        python3 -m zipfile -e "$wheel" "$UNPACKED" || fail "$wheel cannot be unpacked"
        PARTS=$(echo "$UNPACKED"/rkd_llm-*.data/data/share/rkd/packaging/install)
        [ ! -f "$PARTS/say.sh" ] || return 0
    done
    fail "this file alone is not enough: run it in rkd's checkout, or beside an rkd_llm-*.whl"
}

# Ends what was begun and takes away what is half made, however this ends.
clean_up() {
    stop_waiting
    demo_stop
    abandon_version
    for left in "${WORK:-}" "${UNPACKED:-}" "${PACKED:-}" "${BUILDER:-}" "${KEPT:-}"; do
        [ -z "$left" ] || rm -rf "$left"
    done
}

main() {
    HERE=$(cd "$(dirname "$0")" 2>/dev/null && pwd) || HERE=.
    umask 022
    parse "$@"
    find_parts
    LOCK=$(dirname "$PARTS")/lock
    . "$PARTS/say.sh"
    . "$PARTS/manifest.sh"
    . "$PARTS/machine.sh"
    . "$PARTS/locked.sh"
    . "$PARTS/program.sh"
    . "$PARTS/engine.sh"
    . "$PARTS/system.sh"
    . "$PARTS/service.sh"
    . "$PARTS/web.sh"
    . "$PARTS/clocks.sh"
    . "$PARTS/remove.sh"
    . "$PARTS/demo.sh"
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    case $ACTION in
        install) install_all ;;
        uninstall) uninstall_all ;;
        demo) demo_all ;;
    esac
}

main "$@"
