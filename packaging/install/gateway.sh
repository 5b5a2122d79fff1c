# rkd-gateway, where --gateway asked for it: its units, its command, its address.
# shellcheck shell=sh

put_gateway() {
    [ "$GATEWAY" = 1 ] && [ -e "$1/rkd-gateway.socket" ] || return 0
    for unit in rkd-gateway.socket rkd-gateway.service; do
        put "$UNITS/$unit" 644 <"$1/$unit"
    done
}

# Its address may be somebody else's, Ollama's above all: the daemon serves all the same.
open_gateway() {
    [ "$GATEWAY" = 1 ] || return 0
    link "$PREFIX/current/bin/rkd-gateway" "$COMMANDS/rkd-gateway"
    booted || return 0
    note link "$UNITS/sockets.target.wants/rkd-gateway.socket"
    run systemctl enable --quiet rkd-gateway.socket
    [ "$START" = 1 ] || return 0
    # one that runs still is of the version before; the next call starts this one
    run systemctl stop rkd-gateway.service 2>/dev/null || :
    if run systemctl restart rkd-gateway.socket 2>/dev/null; then
        [ "$DRY" = 1 ] || say "apps find it at $(systemctl show -P Listen rkd-gateway.socket)"
        return 0
    fi
    say "warning: rkd-gateway cannot listen; is Ollama there? systemctl disable --now ollama, then"
    say "  systemctl start rkd-gateway.socket; or another address: systemctl edit rkd-gateway.socket"
}
