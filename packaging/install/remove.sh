# Removing: what the manifest lists and what the daemon is known to write, never anything else.
# shellcheck shell=sh

uninstall_all() {
    need_root
    choose_prefix
    [ -e "$PREFIX/install.conf" ] || [ -e "$PREFIX/install.manifest" ] ||
        fail "rkd is not installed below $PREFIX"
    open_manifest
    WHO=$(remembered user) MODELS=$(remembered models)
    WHO=${WHO:-rkd} MODELS=${MODELS:-$STATE/models}
    [ "$PURGE" = 0 ] || confirm "Delete rkd and all models in $MODELS?"
    if booted; then
        for unit in rkd-clocks.socket rkd-clocks.service rkd-console.socket rkd-console.service \
            rkd-gateway.socket rkd-gateway.service rkd-proxy.socket rkd-proxy.service rkd.service; do
            run systemctl disable --quiet --now "$unit" 2>/dev/null || :
        done
    fi
    if [ "$DRY" = 1 ]; then say "would: remove what $MANIFEST lists"; return 0; fi
    [ "$PURGE" = 0 ] || purge
    remove_written
    remove_state
    remove_folders
    forget_run
    if booted; then systemctl daemon-reload; fi
    remove_users
    tell_kept
}

# A folder with everything in it, unless models are in it, whoever put them there.
remove_tree() {
    [ -d "$1" ] || return 0
    if [ -n "$(find "$1" \( -name '*.gguf' -o -name '*.rkllm' -o -name '*.safetensors' -o -name Modelfile \) -print -quit)" ]
    then
        say "left alone: $1 has models in it"
        return 0
    fi
    case $MODELS/ in "$1"/*) say "left alone: $1 is where the models are"; return 0 ;; esac
    rm -rf "$1"
}

remove_written() {
    noted link | while read -r link; do
        [ ! -L "$link" ] || rm -f "$link"
    done
    noted file | while read -r file; do rm -f "$file"; done
    noted tree | while read -r tree; do remove_tree "$tree"; done
}

# What the daemon writes beside the models, by name.
remove_state() {
    rm -f "$STATE/lock" "$STATE/memory.json" "$STATE/tokens" "$STATE/npu.lease"
    for folder in workers hf hub operations; do remove_tree "$STATE/$folder"; done
    remove_tree "$CACHE/huggingface"
    rmdir "$CACHE" /run/rkd 2>/dev/null || :
}

# The folders that were made, the innermost first, each only when nothing is left in it.
remove_folders() {
    folders=$(noted folder | sort -r)
    users=$(noted user) groups=$(noted group) members=$(noted member)
    rm -f "$MANIFEST"
    for folder in $folders "$STATE" "$CONFIG"; do rmdir "$folder" 2>/dev/null || :; done
}

# What is left belongs to somebody who still exists.
remove_users() {
    owner=root
    [ "$WHO" = rkd ] || owner=$WHO
    if [ -n "$groups$users" ]; then
        for left in "$MODELS" "$STATE" "$CONFIG" "$PREFIX"; do
            [ ! -d "$left" ] ||
                find "$left" -xdev \( -group rkd -o -user rkd \) -exec chown -h "$owner:" {} + 2>/dev/null || :
        done
    fi
    for user in $users; do userdel "$user" 2>/dev/null || :; done
    if [ -z "$groups" ]; then
        for member in $members; do gpasswd -d "$member" rkd >/dev/null 2>&1 || :; done
    fi
    for group in $groups; do groupdel "$group" 2>/dev/null || :; done
}

# With --purge: the secrets rkctl made, and every model; what is no model stays.
purge() {
    rm -f "$CONFIG/tokens" "$CONFIG/tls"/*.crt "$CONFIG/tls"/*.key
    rmdir "$CONFIG/tls" 2>/dev/null || :
    for entry in "$MODELS"/* "$MODELS"/.rkd-*; do
        case $entry in
            *.gguf | *.rkllm | "$MODELS"/.rkd-*) rm -rf "$entry" ;;
            *) if is_model "$entry"; then rm -rf "$entry"; fi ;;
        esac
    done
    rmdir "$MODELS" 2>/dev/null || :
}

is_model() {
    [ -d "$1" ] && [ ! -L "$1" ] || return 1
    for file in "$1"/Modelfile "$1"/.rkd.json "$1"/*.gguf "$1"/*.rkllm; do
        [ ! -e "$file" ] || return 0
    done
    return 1
}

tell_kept() {
    say "rkd is gone"
    ours=''
    [ "$PREFIX" != /opt/rkd ] || ours=$PREFIX
    for left in "$MODELS" "$STATE" "$CONFIG" "$UNITS/rkd.service.d" $ours; do
        [ -z "$(find "$left" -mindepth 1 -print -quit 2>/dev/null)" ] || say "kept: $left"
    done
}
