#!/bin/sh
# tests/gpu/on_gpu.sh PROGRAM...: runs it where there is an NVIDIA GPU, else skips with the reason.
if [ ! -e /dev/nvidia0 ] && [ ! -e /dev/dxg ] && [ ! -e /dev/nvidiactl ]; then
    echo 'skipped: no NVIDIA GPU here (no /dev/nvidia0)'
    exit 77
fi
exec "$@"
