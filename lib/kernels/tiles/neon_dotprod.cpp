// neon.cpp once more, compiled for ARMv8.2 with dotprod.
#include "kernels/tiles/neon.cpp"
