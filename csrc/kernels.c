/* kernels.c: all loops for both dtypes, compiled once per instruction set with -DFAD_ISA=<name>.
 * vmath.h holds the functions, rows.def the elementwise table, loops.inc the loops. */
#include "kernels.h"
#include <float.h>
#include <math.h>
#include <string.h>

#ifndef FAD_ISA
#define FAD_ISA baseline
#endif
#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define STR_(a) #a
#define STR(a) STR_(a)

/* the loops' iterations are independent: an output may be an input, element by element, never shifted */
#if defined(__clang__)
#define IVDEP _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define IVDEP _Pragma("GCC ivdep")
#elif defined(_MSC_VER)
#define IVDEP __pragma(loop(ivdep))
#else
#define IVDEP
#endif
/* a loop of few steps is to become vectors, which unrolling would come before */
#if defined(__GNUC__) && !defined(__clang__)
#define NO_UNROLL _Pragma("GCC unroll 1")
#else
#define NO_UNROLL
#endif
/* what vectors leave over stays a loop: written out step by step it was a third of the kernels, and no faster */
#define ELEMENTWISE IVDEP NO_UNROLL
/* a loop that keeps its name, by which the test of vector code finds it */
#if defined(__GNUC__)
#define APART __attribute__((noinline))
#else
#define APART
#endif
#define R(x) ((T)(x))

/* a loop vectorises only if every function of vmath.h in it is inlined, however many there are */
#if defined(__GNUC__)
#define inline __inline__ __attribute__((always_inline))
#endif

/* of the options of a rule of optim.inc: in a text of this dtype these are other functions */
static double power(double base, double t) { return pow(base, t); }
static double root(double x) { return sqrt(x); }

#define T float
#define FLOAT_BITS 32
#define FN(name) CAT(name, _f32)
#include "vmath.h"
#include "loops.inc"
#include "gemm.inc"
#include "windows.inc"
#undef T
#undef FLOAT_BITS
#undef FN

#define T double
#define FLOAT_BITS 64
#define FN(name) CAT(name, _f64)
#include "vmath.h"
#include "loops.inc"
#include "gemm.inc"
#include "windows.inc"
#undef T
#undef FLOAT_BITS
#undef FN

enum { NONE = 0, X = FAD_X, A = FAD_A, B = FAD_B, Y = FAD_Y };
/* what Python evaluates: every function by its name, and of SHORT the text */
#undef R
#undef where
#define SHORT(f, text) (text)
#define BOTH(name) { name##_f32, name##_f64 }
#define BACK(dtype, name) { bwd_##name##_##dtype, acc_##name##_##dtype }
#define UNARY(name, value, vjp, reads, n_params, lo, hi) \
    { #name, #value, { STR(vjp), 0 }, { reads, 0 }, 1, n_params, lo, hi, BOTH(fwd_##name), \
      { { BACK(f32, name), { 0, 0 } }, { BACK(f64, name), { 0, 0 } } } },
#define LONG_UNARY UNARY
#define TURNING UNARY
#define BINARY(name, value, vjp_a, reads_a, vjp_b, reads_b, lo, hi) \
    { #name, #value, { STR(vjp_a), STR(vjp_b) }, { reads_a, reads_b }, 2, 0, lo, hi, BOTH(fwd_##name), \
      { { BACK(f32, name##_a), BACK(f32, name##_b) }, { BACK(f64, name##_a), BACK(f64, name##_b) } } },
#define LONG_BINARY BINARY
static const fad_row rows[] = {
#include "rows.def"
};

#define RULE(name) { #name, BOTH(name) }
static const fad_rule rules[] = {
    RULE(sgd), RULE(adam), RULE(nadam), RULE(radam), RULE(adamax), RULE(adadelta), RULE(adagrad), RULE(rmsprop), RULE(rprop),
    { 0, { 0, 0 } },
};

extern fad_over_fn CAT(fad_map_, FAD_ISA);              /* map.c's */
extern fad_copy_fn CAT(fad_copy_, FAD_ISA);
extern fad_cast_fn CAT(fad_cast_, FAD_ISA);
extern fad_below_fn CAT(fad_below_, FAD_ISA);
extern const fad_kernels CAT(fad_kernels_, FAD_ISA);
const fad_kernels CAT(fad_kernels_, FAD_ISA) = {
    .isa = STR(FAD_ISA), .wide = sizeof(wide_f32), .rows = rows, .n_rows = sizeof rows / sizeof rows[0],
    .sum = BOTH(sum), .prod = BOTH(prod), .max = BOTH(max), .min = BOTH(min),
    .lse = BOTH(lse), .cumsum = BOTH(cumsum), .squares = BOTH(squares),
    .argmax = BOTH(argmax), .argmin = BOTH(argmin),
    .softmax = BOTH(softmax), .log_softmax = BOTH(log_softmax),
    .softmax_back = BOTH(softmax_back), .log_softmax_back = BOTH(log_softmax_back),
    .xent = BOTH(xent), .xent_back = BOTH(xent_back),
    .lstm = BOTH(lstm), .lstm_back = BOTH(lstm_back), .gru = BOTH(gru), .gru_back = BOTH(gru_back),
    .convolve = BOTH(convolve), .correlate = BOTH(correlate),
    .max_windows = BOTH(max_windows), .max_windows_back = BOTH(max_windows_back),
    .sum_windows = BOTH(sum_windows),
    .group_norm = BOTH(group_norm), .group_norm_back = BOTH(group_norm_back), .batch_moments = BOTH(batch_moments),
    .batch_against = BOTH(batch_against), .batch_factors = BOTH(batch_factors), .batch_slopes = BOTH(batch_slopes),
    .batch_norm = BOTH(batch_norm), .batch_norm_back = BOTH(batch_norm_back),
    .attend = BOTH(attend), .attend_back = BOTH(attend_back), .drop = BOTH(drop),
    .gemm = BOTH(gemm), .rules = rules, .with_l1 = BOTH(with_l1), .where = BOTH(where_),
    .map = CAT(fad_map_, FAD_ISA), .copy = CAT(fad_copy_, FAD_ISA), .cast = CAT(fad_cast_, FAD_ISA),
    .below = CAT(fad_below_, FAD_ISA),
};
