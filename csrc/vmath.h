/* vmath.h - elementwise math functions whose bodies have no branches and no calls, so that a plain
 * `for` loop over one of them is turned into SIMD code by the compiler at every x86 level
 * (SSE2, v3, v4) and on aarch64. libm calls stay scalar in such loops and cost 5 to 20 times more.
 *
 * A template: the includer defines FLOAT_BITS (32 or 64), T and FN(name), includes this file once
 * per dtype, and undefines them again. May include only C99 standard headers; vmath_tail.h, the
 * second half (error function, activations, inverse functions), is included at the end of this
 * one. Next: csrc/rows.def, the elementwise table that uses these functions.
 *
 * Rules the code keeps, because the compiler flags are -O3 -fno-math-errno -fno-trapping-math:
 *  - a select is a ternary over two values already computed (if-conversion needs that);
 *  - NaN passes because selects are written `x < lo ? lo : x`, false for NaN;
 *  - results must not depend on a*b+c being contracted to an FMA or not. Where the rounding error
 *    of a product matters the factors are cut short by a bit mask, which makes the product exact;
 *  - integers come from the bits of a float plus 1.5*2^23 (2^52): float64 <-> int64 conversions and
 *    signed 64-bit shifts do not vectorise before AVX-512.
 * Coefficients are minimax fits made for this file, rounded to the dtype. */

#ifndef VMATH_ONCE
#define VMATH_ONCE
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
/* Polynomials in Estrin form: shorter dependency chains than Horner. x2 = x*x. */
#define VM_P2(x, a, b) ((a) + (x) * (b))
#define VM_P3(x, x2, a, b, c) (VM_P2(x, a, b) + (x2) * (c))
#define VM_P4(x, x2, a, b, c, d) (VM_P2(x, a, b) + (x2) * VM_P2(x, c, d))
#endif

/* ---- per dtype: layout and constants ------------------------------------------------------- */

#define VM_C(v) ((T)(v)) /* a constant in the dtype */

#if FLOAT_BITS == 32
#define LIBM(name) name##f
#define VM_UINT uint32_t
#define VM_MANT 23                   /* stored significand bits */
#define VM_BIAS 127
#define VM_ONE 0x3f800000u           /* bits of 1 */
#define VM_SQRT_HALF 0x3f3504f3u     /* bits of sqrt(1/2) */
#define VM_2P_MANT 0x4b000000u       /* bits of 2^VM_MANT */
#define VM_HIGH_HALF 0xfffff000u     /* keeps 12 significand bits, so squares are exact */
#define VM_2PM 8388608.0             /* 2^VM_MANT */
#define VM_MIN_NORMAL VM_C(FLT_MIN)
#define VM_TINY 1.220703125e-4       /* 2^-13: below it odd functions equal x to half an ULP */
#define VM_HUGE 268435456.0          /* 2^28: above it 1 + x*x == x*x and log1p(x) == log(x) */
/* ln 2 and log10 2 in two parts; the first is short, so that k times it is exact */
#define VM_LN2_HI 0.693145751953125
#define VM_LN2_LO 1.4286068203094173e-06
#define VM_LOG10_2_HI 0.301025390625
#define VM_LOG10_2_LO 4.6050389811952138e-06
/* where exp and friends are certain to have saturated */
#define VM_EXP_MIN -104.0
#define VM_EXP_MAX 89.0
#define VM_EXPM1_MIN -20.0
#define VM_SINH_MAX 89.5
#define VM_MISH_MAX 20.0
#define VM_XEXP_MIN -120.0           /* x * exp(x) is 0 below */
#define VM_DOWN 80                   /* shift in vm_scale_down ... */
#define VM_2M_DOWN 8.271806125530277e-25 /* ... and 2^-VM_DOWN */
#else
#define LIBM(name) name
#define VM_UINT uint64_t
#define VM_MANT 52
#define VM_BIAS 1023
#define VM_ONE 0x3ff0000000000000u
#define VM_SQRT_HALF 0x3fe6a09e667f3bcdu
#define VM_2P_MANT 0x4330000000000000u
#define VM_HIGH_HALF 0xfffffffff8000000u
#define VM_2PM 4503599627370496.0
#define VM_MIN_NORMAL VM_C(DBL_MIN)
#define VM_TINY 3.7252902984619140625e-9 /* 2^-28 */
#define VM_HUGE 1152921504606846976.0    /* 2^60 */
#define VM_LN2_HI 0.69314718055989033
#define VM_LN2_LO 5.4979230187083712e-14
#define VM_LOG10_2_HI 0.30102999566395283
#define VM_LOG10_2_LO 2.8363394551044964e-14
#define VM_EXP_MIN -746.0
#define VM_EXP_MAX 710.0
#define VM_EXPM1_MIN -40.0
#define VM_SINH_MAX 710.6
#define VM_MISH_MAX 40.0
#define VM_XEXP_MIN -760.0
#define VM_DOWN 200
#define VM_2M_DOWN 6.2230152778611417e-61
#endif
#define VM_LN2 0.6931471805599453094
#define VM_LOG2E 1.4426950408889634074
#define VM_INF VM_C(INFINITY)
#define VM_NAN VM_C(NAN)
/* x + VM_MAGIC rounds x to an integer k; the low bits of the sum are k + 2 * VM_BIAS. */
#define VM_MAGIC VM_C(1.5 * VM_2PM + 2 * VM_BIAS)

static inline VM_UINT FN(vm_bits)(T x) {
    VM_UINT u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline T FN(vm_float)(VM_UINT u) {
    T x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* The first half of the significand. A mask, unlike a product, cannot be contracted away. */
static inline T FN(vm_high)(T x) { return FN(vm_float)(FN(vm_bits)(x) & (VM_UINT)VM_HIGH_HALF); }

/* r with the sign of x, for r >= 0 or of the same sign as x. */
static inline T FN(vm_with_sign)(T r, T x) {
    return FN(vm_float)(FN(vm_bits)(r) | (FN(vm_bits)(x) & ((VM_UINT)1 << (FLOAT_BITS - 1))));
}

/* ---- selects ------------------------------------------------------------------------------- */

/* c ? a : b where a and b come from memory: a ternary would load one of them, which takes a branch before AVX2. */
static inline T FN(vm_select)(VM_UINT c, T a, T b) {
    const VM_UINT mask = -(VM_UINT)(c != 0);
    return FN(vm_float)((FN(vm_bits)(a) & mask) | (FN(vm_bits)(b) & ~mask));
}

#ifndef where
#define where(c, a, b) ((c) ? (a) : (b))
#endif

static inline T FN(abs)(T x) { return LIBM(fabs)(x); }
static inline T FN(sqrt)(T x) { return LIBM(sqrt)(x); }
static inline T FN(maximum)(T a, T b) { return ((a > b) | (a != a)) ? a : b; }
static inline T FN(minimum)(T a, T b) { return ((a < b) | (a != a)) ? a : b; }
static inline T FN(vm_at_least)(T x, T lo) { return x < lo ? lo : x; } /* NaN x stays */
static inline T FN(vm_at_most)(T x, T hi) { return x > hi ? hi : x; }
static inline T FN(clip)(T x, T lo, T hi) { return FN(vm_at_most)(FN(vm_at_least)(x, lo), hi); }

static inline T FN(sign)(T x) {
    T below = x < 0 ? VM_C(-1) : x + VM_C(0); /* -0. + 0. is 0., NaN stays */
    return x > 0 ? VM_C(1) : below;
}

/* x clamped to [-limit, limit]. One comparison: GCC turns two in a row into a chain of selects. */
static inline T FN(vm_within)(T x, T limit) {
    return FN(vm_with_sign)(FN(vm_at_most)(LIBM(fabs)(x), limit), x);
}

/* ---- exponential core: e^x = 2^k * (1 + expm1(r)) ------------------------------------------- */

/* expm1(r) for |r| <= ln(2)/2: r + r^2 q(r). Relative error below 2^-25.7 (f32), 2^-60 (f64). */
static inline T FN(vm_expm1_poly)(T r) {
    T r2 = r * r, q;
#if FLOAT_BITS == 32
    q = VM_C(0.49999997) + r * (VM_P2(r, VM_C(0.166665435), VM_C(0.0416671969)) +
                                r2 * VM_P2(r, VM_C(0.00836664345), VM_C(0.00138829334)));
#else
    T r4 = r2 * r2;
    q = VM_P4(r, r2, 0.5, 0.16666666666666677, 0.041666666666666505, 0.0083333333333215128) +
        r4 * (VM_P4(r, r2, 0.0013888888888963782, 0.00019841269886481131, 2.480158717054934e-05,
                    2.7557243800139287e-06) +
              r4 * VM_P3(r, r2, 2.7557403685898162e-07, 2.5109196516335386e-08,
                         2.0875204841627979e-09));
#endif
    return r + r2 * q;
}

/* Returns r, |r| <= ln(2)/2, with x = k ln2 + r; *kbits holds k + 2 * VM_BIAS in its low bits. */
static inline T FN(vm_reduce)(T x, VM_UINT *kbits) {
    T z = x * VM_C(VM_LOG2E) + VM_MAGIC, k = z - VM_MAGIC;
    *kbits = FN(vm_bits)(z);
    return (x - k * VM_C(VM_LN2_HI)) - k * VM_C(VM_LN2_LO);
}

/* The same for hi + lo, where x alone would not carry enough digits for its exponential. */
static inline T FN(vm_reduce2)(T hi, T lo, VM_UINT *kbits) {
    T z = (hi + lo) * VM_C(VM_LOG2E) + VM_MAGIC, k = z - VM_MAGIC;
    *kbits = FN(vm_bits)(z);
    return ((hi - k * VM_C(VM_LN2_HI)) - k * VM_C(VM_LN2_LO)) + lo;
}

/* y * 2^k in two steps, so that results in the denormal range and next to overflow are rounded
 * only once, by the last product. Right for |k| up to about 2 * VM_BIAS. */
static inline T FN(vm_scale)(T y, VM_UINT kbits) {
    VM_UINT half = kbits >> 1;
    return y * FN(vm_float)(half << VM_MANT) * FN(vm_float)((kbits - half) << VM_MANT);
}

/* The same in fewer operations for k <= 40 only (and above -VM_BIAS - VM_DOWN). */
static inline T FN(vm_scale_down)(T y, VM_UINT kbits) {
    return y * FN(vm_float)((kbits - (VM_BIAS - VM_DOWN)) << VM_MANT) * VM_C(VM_2M_DOWN);
}

static inline T FN(exp)(T x) {
    VM_UINT k;
    T r = FN(vm_reduce)(FN(vm_within)(x, VM_C(-VM_EXP_MIN)), &k);
    return FN(vm_scale)(1 + FN(vm_expm1_poly)(r), k);
}

static inline T FN(exp2)(T x) {
    T z, r;
    x = FN(vm_within)(x, VM_C(VM_BIAS + VM_MANT + 2));
    z = x + VM_MAGIC;
    r = x - (z - VM_MAGIC);
    return FN(vm_scale)(1 + FN(vm_expm1_poly)(r * VM_C(VM_LN2)), FN(vm_bits)(z));
}

/* (e^x - 1) / 4 and, in *scale, 2^k / 4: the quarter keeps 2^k finite up to e^x = 2 * max, which
 * sinh and cosh need. For x from VM_EXPM1_MIN to VM_SINH_MAX. */
static inline T FN(vm_expm1_quarter)(T x, T *scale, T *poly) {
    VM_UINT k;
    T r = FN(vm_reduce)(x, &k);
    *poly = FN(vm_expm1_poly)(r);
    *scale = FN(vm_float)((k - (VM_BIAS + 2)) << VM_MANT);
    return *scale * *poly + (*scale - VM_C(0.25));
}

static inline T FN(expm1)(T x) {
    T s, p, r = 4 * FN(vm_expm1_quarter)(
                        FN(clip)(x, VM_C(VM_EXPM1_MIN), VM_C(VM_EXP_MAX)), &s, &p);
    return LIBM(fabs)(x) < VM_C(VM_TINY * VM_TINY) ? x : r; /* -0. and denormals */
}

static inline T FN(sinh)(T x) {
    T a = LIBM(fabs)(x), s, p;
    T t = FN(vm_expm1_quarter)(FN(vm_at_most)(a, VM_C(VM_SINH_MAX)), &s, &p);
    T r = FN(vm_with_sign)(2 * (t + t / (4 * t + 1)), x); /* t / inf = 0 is right there */
    return a < VM_C(VM_TINY) ? x : r;
}

static inline T FN(cosh)(T x) {
    T s, p, quarter;
    FN(vm_expm1_quarter)(FN(vm_at_most)(LIBM(fabs)(x), VM_C(VM_SINH_MAX)), &s, &p);
    quarter = s + s * p; /* e^|x| / 4 */
    return 2 * (quarter + VM_C(0.0625) / quarter);
}

/* With E = e^(-2|x|) = s (1 + m) and h = (1 - E) / 2: tanh |x| = 1 - 2 E / (1 + E), or nearer to 0
 * h + h (1 - E) / (1 + E), either of which rounds better than the plain quotient. */
static inline T FN(tanh)(T x) {
    VM_UINT k;
    T a = LIBM(fabs)(x), r = FN(vm_reduce)(FN(vm_at_least)(-2 * a, VM_C(VM_EXPM1_MIN)), &k);
    T m = FN(vm_expm1_poly)(r), s = FN(vm_float)((k - VM_BIAS) << VM_MANT);
    T t = s * m + (s - 1), h = VM_C(-0.5) * t; /* t = E - 1 */
    T top = a > VM_C(0.55) ? -2 * (s + s * m) : -t, base = a > VM_C(0.55) ? VM_C(1) : h;
    return FN(vm_with_sign)(base + base * (top / (2 + t)), x);
}

/* ---- logarithm core: x = 2^e * (1 + f), sqrt(1/2) <= 1 + f < sqrt(2) ------------------------- */

/* Normal x > 0: returns f, *biased = e + VM_BIAS as an integer. */
static inline T FN(vm_log_split)(T x, VM_UINT *biased) {
    VM_UINT u = FN(vm_bits)(x) + ((VM_UINT)VM_ONE - (VM_UINT)VM_SQRT_HALF);
    VM_UINT low = u & (((VM_UINT)1 << VM_MANT) - 1);
    *biased = u >> VM_MANT;
    return FN(vm_float)(low + (VM_UINT)VM_SQRT_HALF) - 1;
}

/* Small non-negative integer to float, by putting it in the low bits of 2^VM_MANT. */
static inline T FN(vm_exponent)(VM_UINT biased) {
    return FN(vm_float)(biased | (VM_UINT)VM_2P_MANT) - VM_C(VM_2PM + VM_BIAS);
}

/* log(1 + f) - f. With s = f / (2 + f), log(1 + f) = 2 s + s^3 P(s^2) and 2 s = f - s f.
 * Error of the whole relative to log(1 + f): 2^-29.9 (f32), 2^-59.3 (f64). */
static inline T FN(vm_log_tail)(T f) {
    T s = f / (2 + f), z = s * s, p;
#if FLOAT_BITS == 32
    p = VM_P2(z, VM_C(0.666667759), z * VM_C(0.298744291) + VM_C(0.399774492));
#else
    T z2 = z * z;
    p = VM_P4(z, z2, 0.66666666666667351, 0.39999999999408375, 0.28571428743949295,
              0.22222198396687221) +
        z2 * z2 * VM_P3(z, z2, 0.18183574322100246, 0.15313774526899265, 0.14798905697860573);
#endif
    return s * (z * p - f);
}

/* Denormals are scaled up first: returns f, *e the exponent. */
static inline T FN(vm_log_parts)(T x, T *e) {
    VM_UINT biased;
    T small = x < VM_MIN_NORMAL ? VM_C(2 * VM_2PM) : VM_C(1);
    T shift = x < VM_MIN_NORMAL ? VM_C(VM_MANT + 1) : VM_C(0);
    T f = FN(vm_log_split)(x * small, &biased);
    *e = FN(vm_exponent)(biased) - shift;
    return f;
}

/* r, the logarithm of a finite x > 0, or what the logarithm of x is otherwise. */
static inline T FN(vm_log_edges)(T r, T x) {
    T bad = x == 0 ? -VM_INF : VM_NAN;
    r = x < VM_INF ? r : x;
    return x > 0 ? r : bad;
}

static inline T FN(log)(T x) {
    T e, f = FN(vm_log_parts)(x, &e);
    T r = e * VM_C(VM_LN2_HI) + (f + (FN(vm_log_tail)(f) + e * VM_C(VM_LN2_LO)));
    return FN(vm_log_edges)(r, x);
}

static inline T FN(log2)(T x) {
    /* log2(1 + f) = f + f (log2(e) - 1) + tail log2(e): the leading term stays exact */
    T e, f = FN(vm_log_parts)(x, &e);
    T low = f * VM_C(0.4426950408889634074) + FN(vm_log_tail)(f) * VM_C(VM_LOG2E);
    return FN(vm_log_edges)(e + (f + low), x);
}

static inline T FN(log10)(T x) {
    /* log10(e) = 0.5 - 0.0657..., again with an exact leading term */
    T e, f = FN(vm_log_parts)(x, &e);
    T low = FN(vm_log_tail)(f) * VM_C(0.43429448190325182765) - f * VM_C(0.065705518096748172349);
    T r = e * VM_C(VM_LOG10_2_HI) + (VM_C(0.5) * f + (low + e * VM_C(VM_LOG10_2_LO)));
    return FN(vm_log_edges)(r, x);
}

static inline T FN(log1p)(T x) {
    VM_UINT biased;
    T u = 1 + x, v = u - 1, e, f, r;
    T lost = (1 - (u - v)) + (x - v); /* 1 + x = u + lost exactly */
    f = FN(vm_log_split)(u, &biased);
    /* lost * 2^-e belongs to f; 2^(1-e) is the power that is always representable. */
    f += VM_C(0.5) * lost * FN(vm_float)((2 * VM_BIAS + 1 - biased) << VM_MANT);
    e = FN(vm_exponent)(biased);
    r = e * VM_C(VM_LN2_HI) + (f + (FN(vm_log_tail)(f) + e * VM_C(VM_LN2_LO)));
    r = FN(vm_log_edges)(r, u);
    return LIBM(fabs)(x) < VM_C(VM_TINY * VM_TINY) ? x : r; /* -0. and denormals */
}

#include "vmath_tail.h"
