# The system around the program: users, folders, configuration, units, commands.
# shellcheck shell=sh

CONFIG=/etc/rkd
STATE=/var/lib/rkd
CACHE=/var/cache/rkd
UNITS=/etc/systemd/system
USER_UNITS=/etc/systemd/user
UDEV_RULES=/etc/udev/rules.d/60-rkd.rules
TMPFILES=/etc/tmpfiles.d/rkd.conf
COMMANDS=/usr/local/bin
MANUALS=/usr/local/share/man/man1
COMPLETIONS=/usr/share/bash-completion/completions

# Below which folder: as asked, else where the unit in force says, else /opt/rkd.
choose_prefix() {
    [ -n "$PREFIX" ] || PREFIX=$(sed -n 's#^ExecStart=\(/.*\)/current/bin/rkd$#\1#p' "$UNITS/rkd.service" 2>/dev/null) || :
    PREFIX=${PREFIX:-/opt/rkd}
}

remembered() { sed -n "s/^$1=//p" "$PREFIX/install.conf" 2>/dev/null || :; }

choose_user() {
    if [ -z "$WHO" ]; then
        WHO=$(remembered user)
        [ -n "$MODELS" ] || MODELS=$(remembered models)
    fi
    [ "$(remembered otel)" != 1 ] || OTEL=1
    [ "$(remembered gateway)" != 1 ] || GATEWAY=1
    [ "$(remembered console)" != 1 ] || CONSOLE=1
    CLOCKS=${CLOCKS:-$(remembered clocks)}
    [ -n "$WHO" ] || WHO=${SUDO_USER:-rkd}
    [ "$WHO" != root ] || WHO=rkd
    if [ "$WHO" = rkd ]; then
        MODELS=${MODELS:-$STATE/models}
    else
        home=$(getent passwd "$WHO" | cut -d: -f6) || :
        [ -n "$home" ] || fail "there is no user $WHO"
        MODELS=${MODELS:-$home/RKLLAMA/models}
    fi
    say "user: $WHO; models: $MODELS"
}

make_users() {
    for group in render video rkd; do
        getent group "$group" >/dev/null && continue
        [ "$group" != rkd ] || note group rkd
        run groupadd -r "$group"
    done
    if [ "$WHO" = rkd ]; then
        if ! getent passwd rkd >/dev/null; then
            note user rkd
            run useradd -r -g rkd -G render,video -d "$STATE" -s /usr/sbin/nologin -c 'rkd LLM service' rkd
        fi
    else
        join "$WHO"
    fi
    if [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then join "$SUDO_USER"; fi
}

# Puts $1 into the group of the socket.
join() {
    case " $(id -nG "$1") " in *" rkd "*) return 0 ;; esac
    note member "$1"
    run usermod -aG rkd "$1"
    JOINED=$1
}

make_folders() {
    folder "$CONFIG"
    folder "$STATE"
    run chgrp rkd "$CONFIG"
    run chmod 2750 "$CONFIG"
    if [ "$WHO" = rkd ]; then
        folder "$MODELS"
        run chown rkd:rkd "$STATE" "$MODELS"
    elif [ ! -d "$MODELS" ]; then
        # as the user himself, so that every folder on the way is his
        run runuser -u "$WHO" -- mkdir -p "$MODELS"
    fi
}

# A configuration that was changed is never overwritten: defaults that are new go beside it.
put_config() {
    new=$TARGET/systemd/rkd.toml old=$CONFIG/rkd.toml
    [ "$DRY" = 0 ] || { say "would: write $old, or rkd.toml.new beside a changed one"; return 0; }
    sed -i "s#@MODELS@#$MODELS#" "$new"
    KEPT=''
    if [ ! -e "$old" ] || [ "$(sum_of "$old")" = "$(remembered config)" ]; then
        [ ! -e "$old" ] || { KEPT=$(mktemp) && cp "$old" "$KEPT"; }
        put "$old" 640 <"$new"
        rm -f "$old.new"
    elif ! cmp -s "$old" "$new" && [ "$(sum_of "$new")" != "$(remembered config)" ]; then
        put "$old.new" 640 <"$new"
        say "kept your $old; the new defaults are in $old.new"
    fi
    chgrp rkd "$CONFIG"/rkd.toml*
    [ -e "$CONFIG/rkd.env" ] || put "$CONFIG/rkd.env" 640 <<'TEXT'
# Variables for the service, one a line: RKD_BACKEND=cpu
TEXT
}

sum_of() { sha256sum "$1" | cut -d' ' -f1; }

# The unit and all around it, out of the version's own folder: rolling back is doing this again.
put_units() {
    from=$1/systemd
    [ "$DRY" = 0 ] || { say "would: write rkd.service and what belongs to it"; return 0; }
    for unit in rkd.service rkd-proxy.socket rkd-proxy.service; do
        put "$UNITS/$unit" 644 <"$from/$unit"
    done
    put_web "$from"
    put_clocks "$from"
    put "$UDEV_RULES" 644 <"$from/60-rkd.rules"
    put "$TMPFILES" 644 <"$from/rkd.tmpfiles"
    drop_in | put "$UNITS/rkd.service.d/10-install.conf" 644
    [ ! -e "$from/user/rkd.service" ] || put "$USER_UNITS/rkd.service" 644 <"$from/user/rkd.service"
    booted || return 0
    systemctl daemon-reload
    if have udevadm; then
        udevadm control --reload 2>/dev/null || :
        udevadm trigger --subsystem-match=dma_heap --subsystem-match=misc 2>/dev/null || :
    fi
}

# Who the service is, which part of his home it sees, and how it comes back.
drop_in() {
    echo "# Written by install.sh; your own changes go into another file of this folder."
    echo "[Service]"
    [ "$WHO" = rkd ] || drop_in_person
    # 1 s after the first end, 2 after the second … one minute after the sixth and all others
    [ "$(systemd_version)" -lt 254 ] || printf 'RestartSec=1\nRestartSteps=6\nRestartMaxDelaySec=1min\n'
    case $MODELS in
        # an empty home, into which the models alone are bound
        /home/* | /root/*) printf 'ProtectHome=tmpfs\nBindPaths=%s\n' "$MODELS" ;;
        "$STATE"/*) ;;
        *) echo "BindPaths=$MODELS" ;;
    esac
}

# A person's service keeps none of his groups but those the NPU needs: not sudo, not docker. systemd
# takes them all along with User=, so setpriv becomes that user instead, and nothing else runs as root.
drop_in_person() {
    echo "User=$WHO"
    if ! have setpriv; then
        say "warning: no setpriv here (util-linux): the service is in all groups of $WHO"
        return 0
    fi
    cat <<TEXT
SupplementaryGroups=
CapabilityBoundingSet=CAP_SETUID CAP_SETGID
SystemCallFilter=@setuid capset
ExecStart=
ExecStart=!$(command -v setpriv) --reuid=$WHO --regid=rkd --groups=rkd,render,video --inh-caps=-all $PREFIX/current/bin/rkd
TEXT
}

# Where shells, man and bash-completion look by themselves.
link_commands() {
    for name in rkd rkctl; do
        link "$PREFIX/current/bin/$name" "$COMMANDS/$name"
    done
    link "$PREFIX/current/share/man/man1/rkctl.1" "$MANUALS/rkctl.1"
    if [ "$DRY" = 1 ]; then say "would: write $COMPLETIONS/rkctl"; return 0; fi
    if script=$("$PREFIX/current/bin/rkctl" completion bash); then
        printf '%s\n' "$script" | put "$COMPLETIONS/rkctl" 644
    fi
}

remember() {
    put "$PREFIX/install.conf" 644 <<TEXT
user=$WHO
models=$MODELS
otel=$OTEL
gateway=$GATEWAY
console=$CONSOLE
clocks=$CLOCKS
config=$(sum_of "$TARGET/systemd/rkd.toml")
TEXT
}
