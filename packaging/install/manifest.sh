# What the installer wrote, one a line in $PREFIX/install.manifest: removing goes by this list
# alone. Written before the thing itself, so that a cut-off installation can be removed as well.
#   tree PATH     a version: everything in it      file PATH, link PATH
#   folder PATH   made because it was missing; removed when nothing else is left in it
#   user NAME, group NAME, member NAME (of the group rkd)
# shellcheck shell=sh

note() {
    [ "$DRY" = 0 ] || return 0
    grep -qxF "$1 $2" "$MANIFEST" 2>/dev/null || printf '%s %s\n' "$1" "$2" >>"$MANIFEST"
}

forget() {
    [ -e "$MANIFEST" ] || return 0
    grep -vxF "$1 $2" "$MANIFEST" >"$MANIFEST.part" || :
    mv -f "$MANIFEST.part" "$MANIFEST"
}

noted() { sed -n "s/^$1 //p" "$MANIFEST" 2>/dev/null; }

# The prefix and its manifest; an installation from before there were manifests gets one.
open_manifest() {
    MANIFEST=$PREFIX/install.manifest
    [ "$DRY" = 0 ] || return 0
    missing='' folder=$PREFIX
    while [ ! -d "$folder" ]; do
        missing="$missing $folder" folder=$(dirname "$folder")
    done
    mkdir -p "$PREFIX"
    for folder in $missing; do note folder "$folder"; done
    [ -s "$MANIFEST" ] || [ ! -e "$PREFIX/install.conf" ] || note_what_was_always_written
}

# What the installer wrote before it kept a list: known names, each only when it is what we wrote.
note_what_was_always_written() {
    for file in "$UNITS/rkd.service" "$UNITS/rkd-proxy.socket" "$UNITS/rkd-proxy.service" \
        "$UNITS/rkd.service.d/10-install.conf" "$UDEV_RULES" \
        "$TMPFILES" "$CONFIG/rkd.toml" "$CONFIG/rkd.toml.new" "$CONFIG/rkd.env" \
        "$PREFIX/engine/llama-server" "$PREFIX/engine/llama-quantize" "$PREFIX/install.conf"; do
        [ ! -f "$file" ] || note file "$file"
    done
    for link in "$PREFIX/current" "$COMMANDS/rkd" "$COMMANDS/rkctl"; do
        case $(readlink "$link" 2>/dev/null) in "$PREFIX"/*) note link "$link" ;; esac
    done
    for version in "$PREFIX"/versions/*; do
        [ ! -f "$version/pyvenv.cfg" ] || [ ! -e "$version/bin/rkd" ] || note tree "$version"
    done
    for folder in "$PREFIX" "$PREFIX/versions" "$PREFIX/engine" "$CONFIG" "$STATE" "$STATE/models" \
        "$UNITS/rkd.service.d"; do
        [ ! -d "$folder" ] || note folder "$folder"
    done
    case $(getent passwd rkd) in *:"rkd LLM service:$STATE:"*) note user rkd ;; esac
    ! getent group rkd >/dev/null || note group rkd
}

# Writes standard input to a file of mode $2, whole or not at all.
put() {
    if [ "$DRY" = 1 ]; then say "would: write $1"; cat >/dev/null; return; fi
    folder "$(dirname "$1")"
    note file "$1"
    cat >"$1.part"
    chmod "$2" "$1.part"
    mv -f "$1.part" "$1"
}

# Makes a folder and those above it.
folder() {
    [ ! -d "$1" ] || return 0
    if [ "$DRY" = 1 ]; then say "would: make $1"; return 0; fi
    folder "$(dirname "$1")"
    note folder "$1"
    mkdir "$1"
}

# Makes the link $2 to $1; something of somebody else's is left alone.
link() {
    if [ -e "$2" ] || [ -L "$2" ]; then
        case $(readlink "$2") in
            "$PREFIX"/*) ;;
            *) say "left alone: $2 is not ours; ours is $1"; return 0 ;;
        esac
    fi
    if [ "$DRY" = 1 ]; then say "would: link $2 to $1"; return 0; fi
    folder "$(dirname "$2")"
    note link "$2"
    ln -sfn "$1" "$2"
}
