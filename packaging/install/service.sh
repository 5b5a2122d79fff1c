# The service in force: switched to the new version, started, asked, and put back when it fails.
# shellcheck shell=sh

install_all() {
    need_root
    refuse_beside_a_package
    choose_prefix
    detect
    choose_user
    find_python
    find_source
    confirm "Install rkd for the user $WHO?"
    need_openmp
    open_manifest
    PREVIOUS=$(readlink "$PREFIX/current" 2>/dev/null) || PREVIOUS=''
    build
    build_engine
    make_users
    make_folders
    put_config
    use_engine
    [ "$DRY" = 1 ] || RKD_CONFIG=$CONFIG/rkd.toml "$TARGET/bin/rkd" --check-config >/dev/null ||
        fail "the configuration does not hold with the new version; nothing was switched"
    BUILT=''
    put_units "$TARGET"
    switch_to "$TARGET"
    link_commands
    if ! start; then
        roll_back
    fi
    open_web
    open_clocks
    [ "$DRY" = 1 ] || remember
    prune
    say "done. Try: rkctl status"
    [ -z "${JOINED:-}" ] || say "(log in again first, so that $JOINED is in the group rkd)"
}

# dpkg's own files are dpkg's to change.
refuse_beside_a_package() {
    case $(dpkg-query --show --showformat '${db:Status-Status}' rkd-llm 2>/dev/null) in
        installed) fail "rkd is installed as the package rkd-llm: upgrade that, or apt remove it first (models stay)" ;;
    esac
}

switch_to() {
    note link "$PREFIX/current"
    run ln -sfn "$1" "$PREFIX/.current"
    run mv -Tf "$PREFIX/.current" "$PREFIX/current"
}

start() {
    if ! booted; then
        say "systemd does not run here: installed, not started"
        return 0
    fi
    note link "$UNITS/multi-user.target.wants/rkd.service"
    run systemctl enable --quiet rkd.service
    if [ "$START" = 0 ]; then
        say "not started; when you are ready: systemctl start rkd"
        return 0
    fi
    say "starting the service; answers under way end first"
    if ! restart; then
        journalctl -u rkd.service -n 15 --no-pager -o cat >&2 || :
        return 1
    fi
}

# Restarts, which waits until the old one has let its answers end and the new one is ready.
restart() {
    [ "$DRY" = 1 ] || systemctl reset-failed rkd.service 2>/dev/null || :
    patiently "starting the service" systemctl restart rkd.service && serves
}

# A service that is ready and dies at once is not ready: it is asked, on its own socket.
serves() {
    [ "$DRY" = 0 ] || return 0
    sleep 2
    systemctl is-active --quiet rkd.service || return 1
    [ ! -S /run/rkd/rkd.sock ] ||
        "$PREFIX/current/bin/rkctl" --endpoint unix:/run/rkd/rkd.sock status >/dev/null 2>&1
}

roll_back() {
    if [ -z "$PREVIOUS" ] || [ ! -d "$PREVIOUS" ]; then
        remember
        systemctl stop rkd.service 2>/dev/null || :
        fail "rkd is installed but did not become ready; see: journalctl -u rkd"
    fi
    say "the new version did not become ready: putting $(basename "$PREVIOUS") back"
    put_units "$PREVIOUS"
    switch_to "$PREVIOUS"
    [ -z "$KEPT" ] || put "$CONFIG/rkd.toml" 640 <"$KEPT"
    rm -rf "$TARGET"
    forget tree "$TARGET"
    if restart; then fail "upgrade failed; the version before runs again"; fi
    fail "upgrade failed, and the version before does not start either; see: journalctl -u rkd"
}

# The version before stays for going back by hand; older ones go.
prune() {
    for old in $(noted tree); do
        [ "$old" != "$TARGET" ] && [ "$old" != "${PREVIOUS:-none}" ] || continue
        run remove_tree "$old"
        forget tree "$old"
    done
}
