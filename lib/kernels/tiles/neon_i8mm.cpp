// neon.cpp once more, compiled for ARMv8.2 with dotprod and i8mm (part of ARMv8.6).
#include "kernels/tiles/neon.cpp"
