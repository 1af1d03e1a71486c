#!/usr/bin/env bash
# All about a GPU in one run of at most twelve minutes: are the numbers right, how fast are the parts, does a whole run
# work. `make gpu-measure`, or without an environment of ours: PYTHON=python3 bench/gpu.sh. A part whose time is over is
# ended, one that fails is said, and the next goes on.
cd "$(dirname "$0")/.." || exit 1
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} OMP_NUM_THREADS=1
python=${PYTHON:-python}

part() { # seconds, command
    echo "== $(date +%T) at most $1 s: ${*:2}"
    timeout --kill-after=10 "$@"
    echo "== $(date +%T) status $?"
}

nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader
part 150 "$python" -m pytest -v -m gpu -W default -rs --durations=5 -p no:cacheprovider tests/test_gpu.py
for model in ViT-B/32 ViT-B/16 ViT-L/14; do
    part 100 "$python" -m bench.speed --device cuda --models "$model"
done
# Its models are tiny and its jobs many, each of which starts a Python: eight of them share the card.
part 270 "$python" -m snakemake --cores all --resources gpu=8 --quiet rules --config run=miniature-gpu
