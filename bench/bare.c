/* bare.c: seconds that one call of NumPy's BLAS takes, without anything around it.  Compiled by products.py. */
#include <stdint.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

enum { ROW_MAJOR = 101, NO_TRANS = 111 };

/* One of `count` products of n x n matrices that follow one another (columns = n), or with a vector (columns = 1). */
#define BARE(name, T, I)                                                                                          \
double name(void *call, int columns, int n, int count, int ta, int tb, const T *a, const T *b, T *c, int loops)   \
{                                                                                                                 \
    typedef void gemm(int, int, int, I, I, I, T, const T *, I, const T *, I, T, T *, I);                          \
    typedef void gemv(int, int, I, I, T, const T *, I, const T *, I, T, T *, I);                                  \
    const double start = now();                                                                                   \
    for (int r = 0; r < loops; r++)                                                                               \
        for (int i = 0; i < count; i++) {                                                                         \
            if (columns == 1)                                                                                     \
                ((gemv *)call)(ROW_MAJOR, NO_TRANS + ta, n, n, 1, a, n, b, 1, 0, c, 1);                           \
            else                                                                                                  \
                ((gemm *)call)(ROW_MAJOR, NO_TRANS + ta, NO_TRANS + tb, n, n, n, 1, a + i * n * n, n,             \
                               b + i * n * n, n, 0, c + i * n * n, n);                                            \
        }                                                                                                         \
    return (now() - start) / loops;                                                                               \
}
BARE(float32_64, float, int64_t)
BARE(float64_64, double, int64_t)
BARE(float32_32, float, int32_t)
BARE(float64_32, double, int32_t)
