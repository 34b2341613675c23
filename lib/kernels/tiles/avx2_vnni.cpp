// avx2.cpp once more, compiled for AVX-VNNI.
#include "kernels/tiles/avx2.cpp"
