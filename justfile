# Tallystick's tasks. `./run TASK` prepares the environment first; `just TASK` takes it as it is.
set positional-arguments

python := ".venv/bin/python"

# list the tasks
default:
    @just --list --unsorted

# a chain, a provider and the page on this machine, all real; --json for scripts, --check drives a browser through it
demo *args: build-page
    @case " $* " in *" --check "*) exec {{python}} -m tests.check ;; *) exec {{python}} -m tallystick_helper.demo "$@" ;; esac

# every layer of tests; --full for the long forms, --only LAYER,LAYER for some; other arguments go to pytest
test *args:
    @exec {{python}} -m tests.run "$@"

# a picture of every screen, light and dark, 390 and 1280 px wide, into shots/; other arguments go to pytest
shots *args: build-page
    @mkdir -p shots
    @TALLYSTICK_SHOTS="$PWD/shots" {{python}} -m pytest tests/e2e -m screens -q "$@"
    @echo "shots/: $(ls shots | wc -l) pictures"

# the figures of the performance goals; --json FILE, --only NAME
bench *args: build-page
    @exec {{python}} -m tests.bench "$@"

# ruff: rules and format
lint:
    {{python}} -m ruff check .
    {{python}} -m ruff format --check .

# ruff again, mending what it can
fix:
    {{python}} -m ruff check --fix .
    {{python}} -m ruff format .

# mypy, strict
types:
    {{python}} -m mypy

# who may import whom
arrows:
    .venv/bin/lint-imports

# compile the contracts into shared/tallystick_shared/abi; --check only compares
build-contracts *args:
    @{{python}} contracts/build.py "$@"

# make the documents that come from code: contracts, states, wire format, errors, limits, threats; --check only compares
docs *args:
    @{{python}} -m tests.documents "$@"

# a cluster on this machine: Ray Serve with two replicas of the embedded engine; --help lists its arguments
ray *args:
    @deploy/ray/up "$@"

# vLLM's CPU build before a node, with the model's folder (3.4 GB, optional, never part of a test)
vllm-cpu folder *args:
    @deploy/vllm/up "$@"

# the EXL2 and EXL3 engines against the real libraries, without a GPU; needs PyTorch: gigabytes; --help lists its arguments
exl2-contract *args:
    @{{python}} tests/gpu/contract.py "$@"

# the EXL2 and EXL3 engines on a CUDA device, with models made on the spot, and tokens/s beside the bare libraries
gpu *args:
    @{{python}} -m tests.gpu.run "$@"

# the contracts against their source: what is committed, and with --rpc URL what stands on a chain
verify-contracts *args:
    @{{python}} -m contracts.verify "$@"

# put the page together in web/dist; --check only compares
build-page *args:
    @{{python}} web/build/build.py "$@" >&2

# make the wheels of both distributions in dist/
build-wheels: build-page
    uv build --wheel --out-dir dist shared
    uv build --wheel --out-dir dist .

# make the hash-pinned locks again from the two pyproject.toml and package.json
lock *args:
    @sh requirements/lock.sh "$@"
