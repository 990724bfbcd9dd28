"""exllamav2's own dequantising kernels, taken from the installed package and compiled for the CPU.

The text of `shuffle_kernel` and `reconstruct_kernel` is that of `q_matrix.cu`, with the headers that it includes; a
shim gives half precision and the names of CUDA. Threads run one after the other, each block twice: what the first
round leaves in shared memory is what the second one finds after its barrier.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tallystick_helper.engines.exl2 import codec

_SHIM = r"""
#pragma once
#include <cstdint>
#include <cmath>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
using std::min; using std::max;
#define __device__
#define __global__
#define __shared__ static
#define __forceinline__ inline
#define __restrict__
#define __syncthreads()
struct Index { int x, y, z; };
static Index blockIdx, threadIdx;
struct half { _Float16 v; };
struct half2 { half x, y; };
inline half h(double a) { return {(_Float16) a}; }
inline half2 __halves2half2(half a, half b) { return {a, b}; }
inline half2 __half2half2(half a) { return {a, a}; }
inline half __low2half(half2 a) { return a.x; }
inline half __high2half(half2 a) { return a.y; }
inline half __int2half_rn(int a) { return h(a); }
inline half __float2half_rn(float a) { return h(a); }
inline float __half2float(half a) { return (float) a.v; }
// Sums and products of two halves are exact in double precision, so each is rounded once.
inline half __hmul(half a, half b) { return h((double) a.v * (double) b.v); }
inline half __hadd(half a, half b) { return h((double) a.v + (double) b.v); }
inline half __hsub(half a, half b) { return h((double) a.v - (double) b.v); }
inline half __hfma(half a, half b, half c) { return h((double) a.v * (double) b.v + (double) c.v); }
inline half2 __hmul2(half2 a, half2 b) { return {__hmul(a.x, b.x), __hmul(a.y, b.y)}; }
inline half2 __hadd2(half2 a, half2 b) { return {__hadd(a.x, b.x), __hadd(a.y, b.y)}; }
inline half2 __hsub2(half2 a, half2 b) { return {__hsub(a.x, b.x), __hsub(a.y, b.y)}; }
inline half2 __hfma2(half2 a, half2 b, half2 c) { return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)}; }
inline uint32_t __funnelshift_rc(uint32_t low, uint32_t high, uint32_t by) {
    by = by > 32 ? 32 : by;
    return by == 32 ? high : by == 0 ? low : (low >> by) | (high << (32 - by));
}
"""
_HEAD = r"""
#include "quant/qdq_2.cuh"
#include "quant/qdq_3.cuh"
#include "quant/qdq_4.cuh"
#include "quant/qdq_5.cuh"
#include "quant/qdq_6.cuh"
#include "quant/qdq_8.cuh"
#include "matrix_view.cuh"
#define BLOCK_KN_SIZE 128
#define THREADS_X 32
"""
_DOOR = r"""
extern "C" void dequantise(uint32_t* w, const uint16_t* perm, const uint32_t* scale, const half* largest,
                           const uint16_t* map, int k, int n, int groups, half* out, const int* rows) {
    for (blockIdx.x = 0; blockIdx.x * THREADS_X < n; blockIdx.x++)
        for (threadIdx.x = 0; threadIdx.x < THREADS_X; threadIdx.x++)
            shuffle_kernel(w, k, n, rows[0], rows[1], rows[2], rows[3], rows[4], rows[5]);
    half* scratch = (half*) malloc(65536 * (size_t) n * sizeof(half));  // the first round knows no permutation yet
    for (blockIdx.y = 0; blockIdx.y * BLOCK_KN_SIZE < k; blockIdx.y++)
        for (blockIdx.x = 0; blockIdx.x * BLOCK_KN_SIZE < n; blockIdx.x++)
            for (int round = 0; round < 2; round++)
                for (threadIdx.x = 0; threadIdx.x < BLOCK_KN_SIZE; threadIdx.x++)
                    reconstruct_kernel(w, perm, scale, largest, map, k, n, groups, round ? out : scratch,
                                       rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], 0, k);
    free(scratch);
}
"""


def compiler() -> str | None:
    """A C++ compiler with half precision, if there is one."""
    return shutil.which("g++") or shutil.which("clang++")


def build(folder: Path) -> ctypes.CDLL:
    """Compile the kernels of the installed exllamav2 into `folder`."""
    spec = find_spec("exllamav2")
    assert spec is not None and spec.origin is not None
    cuda = Path(spec.origin).parent / "exllamav2_ext" / "cuda"
    source = (cuda / "q_matrix.cu").read_text()
    for name in ("cuda_runtime.h", "cuda_fp16.h"):
        (folder / name).write_text(_SHIM)
    kernels = [_kernel(source, name) for name in ("shuffle_kernel", "reconstruct_kernel")]
    (folder / "kernels.cpp").write_text('#include "cuda_fp16.h"\n' + _HEAD + "\n".join(kernels) + _DOOR)
    target = folder / "kernels.so"
    include = [f"-I{folder}", f"-I{cuda}"]
    flags = ["-O1", "-std=c++17", "-shared", "-fPIC", "-w", "-fpermissive", "-ffp-contract=off"]
    compiled = compiler()
    assert compiled is not None
    subprocess.run([compiled, *flags, *include, str(folder / "kernels.cpp"), "-o", str(target)], check=True)
    return ctypes.CDLL(str(target))


def dequantise(kernels: ctypes.CDLL, packed: codec.Packed) -> npt.NDArray[np.float16]:
    """What exllamav2 makes of a layer when it is loaded and reconstructed: (K, N)."""
    groups = codec.groups_of(packed)
    inputs, outputs = len(packed.q_invperm), packed.q_weight.shape[1]
    counted = dict.fromkeys(codec.WIDTHS, 0)
    for group in groups:
        counted[group.width] += group.rows
    rows = np.cumsum([counted[width] for width in codec.WIDTHS]).astype(np.int32)  # 8, 6, 5, 4, 3, 2
    # ext.py: make_group_map and make_q_matrix
    group_map = [value for i, group in enumerate(groups) for j in range(group.rows) for value in (i, group.rows - j)]
    largest = (packed.q_scale_max.astype(np.float32) / 256).astype(np.float16)
    arrays = [
        packed.q_weight.copy().view(np.uint32),
        np.argsort(packed.q_invperm).astype(np.uint16),
        packed.q_scale.view(np.uint32),
        largest,
        np.array(group_map, np.uint16),
    ]
    out = np.zeros((inputs, outputs), np.float16)
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in arrays]
    kernels.dequantise(
        *pointers,
        inputs,
        outputs,
        len(groups),
        out.ctypes.data_as(ctypes.c_void_p),
        rows.ctypes.data_as(ctypes.c_void_p),
    )
    return out


def _kernel(source: str, name: str) -> str:
    """The text of one kernel: from its head to the first brace in the first column."""
    found = re.search(rf"__global__ void {name}\n.*?^}}", source, re.DOTALL | re.MULTILINE)
    assert found is not None, f"{name} is no longer where it was"
    return found[0]
