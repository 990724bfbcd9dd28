"""The EXL2 and EXL3 engines against the real libraries: `just exl2-contract` without a GPU, `just gpu` with one."""
