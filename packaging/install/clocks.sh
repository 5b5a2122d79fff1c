# rkd-clocks, where --clocks asked for it: its units, and which of its two ways it goes.
# shellcheck shell=sh

CLOCKS_UNITS='rkd-clocks.socket rkd-clocks.service'

put_clocks() {
    case $CLOCKS in answering | always) ;; *) return 0 ;; esac
    [ -e "$1/rkd-clocks.socket" ] || return 0
    for unit in $CLOCKS_UNITS; do
        put "$UNITS/$unit" 644 <"$1/$unit"
    done
    put "$UNITS/rkd-clocks.service.d/10-install.conf" 644 <<TEXT
# Written by install.sh; your own changes go into another file of this folder.
[Service]
Environment=RKD_CLOCKS=$CLOCKS
TEXT
}

# One that runs is of the version before, or goes the other way: it is ended, which puts governors
# back, and started by the next answer or at once.
open_clocks() {
    case $CLOCKS in
        answering | always) ;;
        off) close_clocks; return 0 ;;
        *) return 0 ;;
    esac
    booted || return 0
    run systemctl stop rkd-clocks.service 2>/dev/null || :
    note link "$UNITS/sockets.target.wants/rkd-clocks.socket"
    if [ "$CLOCKS" = always ]; then
        note link "$UNITS/multi-user.target.wants/rkd-clocks.service"
        run systemctl enable --quiet rkd-clocks.service
    else
        run systemctl disable --quiet rkd-clocks.service 2>/dev/null || :
        run systemctl enable --quiet rkd-clocks.socket
    fi
    [ "$START" = 1 ] || return 0
    wanted=rkd-clocks.socket
    [ "$CLOCKS" = answering ] || wanted=rkd-clocks.service
    run systemctl start "$wanted" ||
        say "warning: rkd-clocks does not start; see: journalctl -u rkd-clocks"
}

# Ended, which puts governors back, and taken away.
close_clocks() {
    [ -e "$UNITS/rkd-clocks.socket" ] || return 0
    if booted; then
        # shellcheck disable=SC2086 # two words
        run systemctl disable --quiet --now $CLOCKS_UNITS 2>/dev/null || :
    fi
    for file in "$UNITS/rkd-clocks.socket" "$UNITS/rkd-clocks.service" \
        "$UNITS/rkd-clocks.service.d/10-install.conf"; do
        run rm -f "$file"
        [ "$DRY" = 1 ] || forget file "$file"
    done
    run rmdir "$UNITS/rkd-clocks.service.d" 2>/dev/null || :
    forget_run
    booted && run systemctl daemon-reload
    return 0
}

# What it leaves in /run when it has put everything back.
forget_run() {
    run rm -f /run/rkd-clocks/lock
    run rmdir /run/rkd-clocks 2>/dev/null || :
}
