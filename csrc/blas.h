/* blas.h: the BLAS that another library of this process has already loaded: finding and calling it.
 *
 * Its functions come in four forms: CBLAS or Fortran names, integers of 32 or 64 bits.  blas.c hides which.
 * Who chooses among the libraries, and what serves when there is none: fastad/_core/blas.pyx.
 */
#ifndef FAD_BLAS_H
#define FAD_BLAS_H
#include <stdint.h>

enum { FAD_CBLAS, FAD_FORTRAN };

typedef struct {
    int form;                                     /* FAD_CBLAS or FAD_FORTRAN */
    int wide;                                     /* its integers have 64 bits */
    void *gemm[2], *gemv[2];                      /* float32, float64 */
    void *trsm[2];                                /* NULL where the library does not show it */
} fad_blas;

/* A library that is loaded already, or NULL; nothing is loaded. */
void *fad_library(const char *path);
/* A function of that library, or of those that it was linked to; NULL if there is none of this name. */
void *fad_symbol(void *library, const char *name);

/* Whether a library with this `ddot` has 64-bit integers, asked of `ddot` itself. */
int fad_blas_is_wide(int form, void *ddot);

/* C := op(A) op(B) + beta C, row-major, C (m, n), op(A) (m, k), op(B) (k, n), all at least 1.  What is
 * in C does not count if beta is 0.  Returns 0 without doing anything if a number does not fit its integers. */
int fad_blas_gemm(const fad_blas *blas, int code, int trans_a, int trans_b, int64_t m, int64_t n, int64_t k,
                  const void *a, int64_t lda, const void *b, int64_t ldb,
                  double beta, void *c, int64_t ldc);

/* B := op(A)^-1 B, row-major, A (n, n) triangular, B (n, k), both at least 1; `unit`: A has ones on its diagonal, which
 * are not read.  Nothing looks whether A is singular.  Returns 0 without doing anything if there is no such function, or
 * a number does not fit its integers. */
int fad_blas_trsm(const fad_blas *blas, int code, int lower, int trans, int unit, int64_t n, int64_t k,
                  const void *a, int64_t lda, void *b, int64_t ldb);
#endif
