/* blas.c: see blas.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE                               /* RTLD_NOLOAD */
#endif
#include "blas.h"
#include <string.h>

#if defined(_WIN32)
#include <windows.h>
#include <psapi.h>

/* The functions may stand in any DLL of the process, so the process is the library. */
void *fad_library(const char *path)
{
    (void)path;
    return GetCurrentProcess();
}

void *fad_symbol(void *library, const char *name)
{
    HMODULE modules[1024];
    DWORD bytes = 0;
    if (!K32EnumProcessModules(library, modules, sizeof modules, &bytes)) return NULL;
    if (bytes > sizeof modules) bytes = sizeof modules;
    for (DWORD i = 0; i < bytes / sizeof modules[0]; i++) {
        FARPROC found = GetProcAddress(modules[i], name);
        if (found) return (void *)found;
    }
    return NULL;
}
#else
#include <dlfcn.h>

void *fad_library(const char *path)
{
    return dlopen(path, RTLD_NOW | RTLD_NOLOAD);
}

void *fad_symbol(void *library, const char *name)
{
    return dlsym(library, name);
}
#endif

/* A length whose lower half is 1 and which is negative as a whole: BLAS returns 0 for a negative length at
 * once, so the answer tells how many of its bits were read. */
int fad_blas_is_wide(int form, void *ddot)
{
    const int64_t n = INT64_MIN + 1, one = 1;
    const double x = 3, y = 5;
    if (sizeof(void *) < 8) return 0;
    if (form == FAD_CBLAS)
        return ((double (*)(int64_t, const double *, int64_t, const double *, int64_t))ddot)(n, &x, 1, &y, 1) == 0;
    return ((double (*)(const int64_t *, const double *, const int64_t *, const double *, const int64_t *))ddot)(
               &n, &x, &one, &y, &one) == 0;
}

enum { ROW_MAJOR = 101, NO_TRANS = 111, UPPER = 121, NON_UNIT = 131, LEFT = 141 };  /* CBLAS; one more: Trans, Lower, Unit */

/* The callers for one element type T and one integer type I.  Fortran is column-major: it sees every matrix
 * transposed, so A and B change places there. */
#define CALLERS(T, I)                                                                                             \
static void gemm_##T##_##I(const fad_blas *blas, int code, int ta, int tb, I m, I n, I k,                         \
                           const T *a, I lda, const T *b, I ldb, T beta, T *c, I ldc)                             \
{                                                                                                                 \
    typedef void cblas(int, int, int, I, I, I, T, const T *, I, const T *, I, T, T *, I);                         \
    typedef void fortran(const char *, const char *, const I *, const I *, const I *, const T *, const T *,       \
                         const I *, const T *, const I *, const T *, T *, const I *);                             \
    const T one = 1;                                                                                              \
    if (blas->form == FAD_CBLAS)                                                                                  \
        ((cblas *)blas->gemm[code])(ROW_MAJOR, NO_TRANS + ta, NO_TRANS + tb, m, n, k, one, a, lda, b, ldb,        \
                                    beta, c, ldc);                                                                \
    else                                                                                                          \
        ((fortran *)blas->gemm[code])(tb ? "T" : "N", ta ? "T" : "N", &n, &m, &k, &one, b, &ldb, a, &lda,         \
                                      &beta, c, &ldc);                                                            \
}                                                                                                                 \
/* y := op(A) x + y, A stored as (rows, cols) */                                                                  \
static void gemv_##T##_##I(const fad_blas *blas, int code, int trans, I rows, I cols, const T *a, I lda,          \
                           const T *x, I incx, T *y, I incy)                                                      \
{                                                                                                                 \
    typedef void cblas(int, int, I, I, T, const T *, I, const T *, I, T, T *, I);                                 \
    typedef void fortran(const char *, const I *, const I *, const T *, const T *, const I *, const T *,          \
                         const I *, const T *, T *, const I *);                                                   \
    const T one = 1;                                                                                              \
    if (blas->form == FAD_CBLAS)                                                                                  \
        ((cblas *)blas->gemv[code])(ROW_MAJOR, NO_TRANS + trans, rows, cols, one, a, lda, x, incx, one, y,        \
                                    incy);                                                                        \
    else                                                                                                          \
        ((fortran *)blas->gemv[code])(trans ? "N" : "T", &cols, &rows, &one, a, &lda, x, &incx, &one, y,          \
                                      &incy);                                                                     \
}                                                                                                                 \
/* A product with a row or a column is a gemv: 3 to 6 times faster (measured with OpenBLAS, 64 to 1024 rows).     \
 * y is set before and added to: some libraries multiply what stands there by beta = 0, and NaN stays NaN. */     \
static void product_##T##_##I(const fad_blas *blas, int code, int ta, int tb, I m, I n, I k,                      \
                              const T *a, I lda, const T *b, I ldb, double beta, T *c, I ldc)                     \
{                                                                                                                 \
    if (n != 1 && m != 1) {                                                                                       \
        gemm_##T##_##I(blas, code, ta, tb, m, n, k, a, lda, b, ldb, (T)beta, c, ldc);                             \
        return;                                                                                                   \
    }                                                                                                             \
    const I length = n == 1 ? m : n, step = n == 1 ? ldc : 1;                                                     \
    if (beta != 1) for (I i = 0; i < length; i++) c[i * step] = beta == 0 ? 0 : (T)beta * c[i * step];            \
    if (n == 1)                                                                                                   \
        gemv_##T##_##I(blas, code, ta, ta ? k : m, ta ? m : k, a, lda, b, tb ? 1 : ldb, c, step);                 \
    else                                                                                                          \
        gemv_##T##_##I(blas, code, !tb, tb ? n : k, tb ? k : n, b, ldb, a, ta ? lda : 1, c, step);                \
}                                                                                                                 \
/* In Fortran's eyes X^T op(A)^T = B^T, and A^T has its other triangle. */                                       \
static void trsm_##T##_##I(const fad_blas *blas, int code, int lower, int trans, int unit, I n, I k,              \
                           const T *a, I lda, T *b, I ldb)                                                        \
{                                                                                                                 \
    typedef void cblas(int, int, int, int, int, I, I, T, const T *, I, T *, I);                                   \
    typedef void fortran(const char *, const char *, const char *, const char *, const I *, const I *, const T *, \
                         const T *, const I *, T *, const I *);                                                   \
    const T one = 1;                                                                                              \
    if (blas->form == FAD_CBLAS)                                                                                  \
        ((cblas *)blas->trsm[code])(ROW_MAJOR, LEFT, UPPER + lower, NO_TRANS + trans, NON_UNIT + unit, n, k, one, \
                                    a, lda, b, ldb);                                                              \
    else                                                                                                          \
        ((fortran *)blas->trsm[code])("R", lower ? "U" : "L", trans ? "T" : "N", unit ? "U" : "N", &k, &n, &one,  \
                                      a, &lda, b, &ldb);                                                          \
}
CALLERS(float, int64_t)
CALLERS(double, int64_t)
CALLERS(float, int32_t)
CALLERS(double, int32_t)

static int fits(int64_t n) { return n <= INT32_MAX; }

int fad_blas_gemm(const fad_blas *blas, int code, int trans_a, int trans_b, int64_t m, int64_t n, int64_t k,
                  const void *a, int64_t lda, const void *b, int64_t ldb,
                  double beta, void *c, int64_t ldc)
{
#define PRODUCT(T, I) product_##T##_##I(blas, code, trans_a, trans_b, (I)m, (I)n, (I)k, \
                                        a, (I)lda, b, (I)ldb, beta, c, (I)ldc)
    if (blas->wide) {
        if (code) PRODUCT(double, int64_t); else PRODUCT(float, int64_t);
        return 1;
    }
    if (!fits(m) || !fits(n) || !fits(k) || !fits(lda) || !fits(ldb) || !fits(ldc)) return 0;
    if (code) PRODUCT(double, int32_t); else PRODUCT(float, int32_t);
    return 1;
}

int fad_blas_trsm(const fad_blas *blas, int code, int lower, int trans, int unit, int64_t n, int64_t k,
                  const void *a, int64_t lda, void *b, int64_t ldb)
{
#define SOLVE(T, I) trsm_##T##_##I(blas, code, lower, trans, unit, (I)n, (I)k, a, (I)lda, b, (I)ldb)
    if (!blas->trsm[code]) return 0;
    if (blas->wide) {
        if (code) SOLVE(double, int64_t); else SOLVE(float, int64_t);
        return 1;
    }
    if (!fits(n) || !fits(k) || !fits(lda) || !fits(ldb)) return 0;
    if (code) SOLVE(double, int32_t); else SOLVE(float, int32_t);
    return 1;
}
