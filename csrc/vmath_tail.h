/* vmath_tail.h - second half of the vmath.h template: error function, activations, two-argument
 * and inverse functions. Included by vmath.h only, once per dtype; the rules at the top of that
 * file hold here too. Next: csrc/rows.def, the elementwise table that uses these functions. */

/* ---- logistic family: all from e = e^-|x|, which cannot overflow ----------------------------- */

/* log(1 + e) for 0 <= e <= 1: the exponent of 1 + e is 0 or 1, a select instead of bit work. */
static inline T FN(vm_log1p_unit)(T e) {
    T half = VM_C(0.5) * e - VM_C(0.5);                     /* (1 + e) / 2 - 1 */
    T f = e > VM_C(0.41421356237309504880) ? half : e;      /* 1 + e > sqrt(2) */
    T k = e > VM_C(0.41421356237309504880) ? VM_C(VM_LN2) : VM_C(0);
    return k + (f + FN(vm_log_tail)(f));
}

static inline T FN(vm_exp_minus_abs)(T x) {
    VM_UINT k;
    T r = FN(vm_reduce)(FN(vm_at_least)(-LIBM(fabs)(x), VM_C(VM_XEXP_MIN)), &k);
    return FN(vm_scale_down)(1 + FN(vm_expm1_poly)(r), k);
}

static inline T FN(sigmoid)(T x) {
    T e = FN(vm_exp_minus_abs)(x);
    return (x < 0 ? e : VM_C(1)) / (1 + e);
}

static inline T FN(softplus)(T x) {
    T top = x > 0 ? x : VM_C(0); /* NaN comes back through e */
    return top + FN(vm_log1p_unit)(FN(vm_exp_minus_abs)(x));
}

/* max + log(1 + e^-d), d = |a - b|. What a - b loses to rounding is as large as d is, and would be
 * a relative error of e^-d; it is recovered exactly and put back. */
static inline T FN(logaddexp)(T a, T b) {
    VM_UINT k;
    T top = a > b ? a : b, low = a > b ? b : a; /* NaN in either: d is NaN */
    T d = a == b ? VM_C(0) : a - b, s, lost, r; /* equal infinities: inf - inf would be NaN */
    d = LIBM(fabs)(d);
    s = d - top;
    lost = (top - (d - s)) - (low + s);
    lost = LIBM(fabs)(lost) < 1 ? lost : VM_C(0); /* inf - inf again, and d far beyond the clamp */
    r = FN(vm_reduce2)(FN(vm_at_least)(-d, VM_C(VM_XEXP_MIN)), -lost, &k);
    return top + FN(vm_log1p_unit)(FN(vm_scale_down)(1 + FN(vm_expm1_poly)(r), k));
}

/* e^(x - m) for x <= m. What x - m loses to rounding would be a relative error of the exponential as large as
 * x - m is; it is recovered exactly (as Knuth's sum of two does) and put back. */
static inline T FN(exp_below)(T x, T m) {
    VM_UINT k;
    T d = x - m, s = d - x, lost = (x - (d - s)) - (m + s), r;
    lost = LIBM(fabs)(lost) < 1 ? lost : VM_C(0); /* inf - inf, and d far beyond the clamp */
    r = FN(vm_reduce2)(FN(vm_at_least)(d, VM_C(VM_XEXP_MIN)), lost, &k);
    return FN(vm_scale_down)(1 + FN(vm_expm1_poly)(r), k);
}

/* sqrt(a^2 + b^2) = m sqrt(1 + (n/m)^2), m the larger size: no square overflows or underflows. */
static inline T FN(hypot)(T a, T b) {
    T p = LIBM(fabs)(a), q = LIBM(fabs)(b), m = p > q ? p : q, n = p > q ? q : p;
    T r = n / (m == 0 ? VM_C(1) : m), h = m * LIBM(sqrt)(1 + r * r);
    return (p == VM_INF) | (q == VM_INF) ? VM_INF : h; /* also beside NaN, as in C */
}

/* x sigmoid(y), y of the sign of x, from e^-|y| = 2^k (1 + m); x is clamped at `low`, where the
 * result is 0. On the negative side x enters before 2^k does: a denormal e^-|y| has few digits. */
static inline T FN(vm_gate)(T x, T m, VM_UINT k, T low) {
    T w = FN(vm_at_least)(x, low) / (1 + FN(vm_scale_down)(1 + m, k));
    T below = FN(vm_scale_down)(w + w * m, k);
    return FN(vm_with_sign)(x < 0 ? below : w, x); /* also where it rounds to 0 */
}

static inline T FN(silu)(T x) {
    VM_UINT k;
    T r = FN(vm_reduce)(FN(vm_at_least)(-LIBM(fabs)(x), VM_C(VM_XEXP_MIN)), &k);
    return FN(vm_gate)(x, FN(vm_expm1_poly)(r), k, VM_C(VM_XEXP_MIN));
}

/* x tanh(softplus(x)) = x n / (n + 2) with e = e^x = 2^k (1 + m), n = e (e + 2). It is computed as
 * x (1 - 2 / (n + 2)), for x < 0 as x e (1 - e (e + 1) / (n + 2)): the quotients are below 0.4, so
 * that their errors count less. For x < 0 2^k is applied last, as above. */
static inline T FN(mish)(T x) {
    VM_UINT k;
    T low = FN(vm_at_least)(x, VM_C(VM_XEXP_MIN)), c = FN(vm_at_most)(low, VM_C(VM_MISH_MAX));
    T m = FN(vm_expm1_poly)(FN(vm_reduce)(c, &k)), e = FN(vm_scale_down)(1 + m, k);
    T w = low - c * ((x > 0 ? VM_C(2) : e * e + e) / (e * (e + 2) + 2));
    T below = FN(vm_scale_down)(w + w * m, k);
    return FN(vm_with_sign)(x > 0 ? w : below, x);
}

/* sqrt(8/pi) and 0.044715 times it, in two parts each: the first has half a significand. */
#define VM_GT0 1.595769121605730711759784
#define VM_GT1 0.07135481627260024877633875
#if FLOAT_BITS == 32
#define VM_GT0_HI 1.595703125
#define VM_GT0_LO 6.599660573071176e-05
#define VM_GT1_HI 0.07135009765625
#define VM_GT1_LO 4.7186163502487764e-06
#define VM_GT_MAX 12.0 /* 0 (or x) to the last bit beyond */
#else
#define VM_GT0_HI 1.5957691073417664
#define VM_GT0_LO 1.4263964354337909e-08
#define VM_GT1_HI 0.071354815736413002
#define VM_GT1_LO 5.3618724676217855e-10
#define VM_GT_MAX 22.0
#endif

/* x sigmoid(y), y = x (GT0 + GT1 x^2). e^-|y| needs y to more digits than T has, so y is made as
 * hi + lo from products of half significands. */
static inline T FN(gelu_tanh)(T x) {
    VM_UINT k;
    T a = FN(vm_at_most)(LIBM(fabs)(x), VM_C(VM_GT_MAX));
    T ah = FN(vm_high)(a), al = a - ah;
    T sh = FN(vm_high)(a * a), sl = ((ah * ah - sh) + 2 * ah * al) + al * al; /* a^2 */
    T vh = FN(vm_high)(VM_C(VM_GT0) + VM_C(VM_GT1) * sh);                     /* y / a */
    T vl = ((VM_C(VM_GT0_HI) - vh) + VM_C(VM_GT1_HI) * sh) +
           (VM_C(VM_GT0_LO) + (VM_C(VM_GT1_LO) * sh + VM_C(VM_GT1) * sl));
    T yh = FN(vm_high)(a * (vh + vl));
    T yl = ((ah * vh - yh) + (ah * vl + al * vh)) + al * vl;
    T r = FN(vm_reduce2)(-yh, -yl, &k);
    return FN(vm_gate)(x, FN(vm_expm1_poly)(r), k, VM_C(-VM_GT_MAX));
}

/* ---- error function and gelu ---------------------------------------------------------------- */

/* H(t) = (a + c) e^(a^2/2) Phi(-a), t = (a - c) / (a + c), 0 <= a <= VM_PHI_MAX, where Phi is the
 * normal distribution function; c = VM_PHI_C. Relative error 2^-24.7 (f32), 2^-55.6 (f64), most
 * of it the rounding of the coefficients. */
#if FLOAT_BITS == 32
#define VM_PHI_C 3.0
#define VM_PHI_MAX 15.0
#define VM_ERF_MAX 4.0
#else
#define VM_PHI_C 5.0
#define VM_PHI_MAX 40.0
#define VM_ERF_MAX 6.0
#endif
static inline T FN(vm_phi_poly)(T t) {
    T t2 = t * t, t4 = t2 * t2, high;
#if FLOAT_BITS == 32
    const T c0 = VM_C(0.729083717), c1 = VM_C(-0.509332001);
    high = VM_P4(t, t2, VM_C(0.230016366), VM_C(-0.0472623669), VM_C(-0.0104501452),
                 VM_C(0.00696916506)) +
           t4 * (VM_P4(t, t2, VM_C(0.000985201332), VM_C(-0.00104076124), VM_C(-0.000199677714),
                       VM_C(0.000147165585)) +
                 t4 * VM_C(4.57048554e-05));
#else
    const T c0 = 0.76919304975006297, c1 = -0.66538250289005685;
    T t8 = t4 * t4;
    high = VM_P4(t, t2, 0.49530561596997419, -0.31353315667128856, 0.16502036617045357,
                 -0.069118638706789207) +
           t4 * VM_P4(t, t2, 0.020795066799010654, -0.0029933767639914667,
                      -0.00079786939263027843, 0.0005448990157025861) +
           t8 * (VM_P4(t, t2, -5.9375752396319395e-05, -4.9762588715106343e-05,
                       1.6681289179025603e-05, 3.9802389908493036e-06) +
                 t4 * VM_P4(t, t2, -2.7694628717526849e-06, -3.3535593397457676e-07,
                            4.335499146442546e-07, 4.077425290759835e-08) +
                 t8 * (VM_P4(t, t2, -6.6529624065075569e-08, -8.2904343093962089e-09,
                             8.1497171801097781e-09, 1.4481177725423673e-09) +
                       t4 * -3.3093520343238566e-10));
#endif
    return c0 + t * (c1 + t * high); /* Horner at the end: fewer roundings at full size */
}

/* erf: x + x P(x^2) up to VM_ERF_NEAR (relative error 2^-25.8 f32, 2^-55.6 f64), beyond it
 * 1 - 2 Phi(-sqrt2 |x|), which is below 1/4 there, so that its own error hardly counts. */
#define VM_ERF_NEAR 0.82
static inline T FN(erf)(T x) {
    VM_UINT k;
    T a = FN(vm_at_most)(LIBM(fabs)(x), VM_C(VM_ERF_MAX));
    T z = a * a, z2 = z * z, z4 = z2 * z2, p, u, r, near0, tail;
#if FLOAT_BITS == 32
    p = VM_P4(z, z2, VM_C(0.128379166), VM_C(-0.376125902), VM_C(0.11282973),
              VM_C(-0.0268140677)) +
        z4 * VM_P2(z, VM_C(0.00507207215), VM_C(-0.000644755724));
#else
    p = VM_P4(z, z2, 0.12837916709551256, -0.37612638903183537, 0.11283791670942427,
              -0.026866170642207268) +
        z4 * (VM_P4(z, z2, 0.0052239775908280049, -0.00085483246269016345,
                    0.0001205522923311741, -1.4922754481247883e-05) +
              z4 * VM_P3(z, z2, 1.6409865336843459e-06, -1.577361323441613e-07,
                         1.0906658884873332e-08));
#endif
    near0 = x + x * p;
    u = 1 / (a * VM_C(1.4142135623730950488) + VM_C(VM_PHI_C));
    r = FN(vm_reduce)(-z, &k);
    tail = FN(vm_phi_poly)(1 - VM_C(2 * VM_PHI_C) * u) * (2 * u) * (1 + FN(vm_expm1_poly)(r)) *
           FN(vm_float)((k - VM_BIAS) << VM_MANT);
    return a < VM_C(VM_ERF_NEAR) ? near0 : FN(vm_with_sign)(1 - tail, x);
}

#if FLOAT_BITS == 64
/* Phi(x) = 1/2 + x P(x^2), |x| <= 1/2. Error relative to Phi below 2^-54.4. */
static inline T FN(vm_phi_near0)(T x) {
    T z = x * x, z2 = z * z;
    return 0.5 + x * (VM_P4(z, z2, 0.3989422804014327, -0.066490380066904928,
                            0.0099735570099919995, -0.001187328214080372) +
                      z2 * z2 * VM_P4(z, z2, 0.00011543466562532426, -9.4444684427885534e-06,
                                      6.650787191473979e-07, -3.9016092049928919e-08));
}
#endif

/* x Phi(x). With v = a / (a + c), t = 2 v - 1, so that one quotient serves a Phi(-a) = v H(t)
 * e^(-a^2/2). a^2/2 is split in two, as its exponential needs more digits than T has. Near 0,
 * where H rounds worst, float64 needs the shorter series to stay within 4 ULP. */
static inline T FN(gelu)(T x) {
    VM_UINT k;
    T a = FN(vm_at_most)(LIBM(fabs)(x), VM_C(VM_PHI_MAX)), ah = FN(vm_high)(a);
    T v = a / (a + VM_C(VM_PHI_C)), w = v * FN(vm_phi_poly)(2 * v - 1);
    T r = FN(vm_reduce2)(VM_C(-0.5) * ah * ah, VM_C(-0.5) * (a - ah) * (a + ah), &k);
    T tail = FN(vm_scale_down)(w + w * FN(vm_expm1_poly)(r), k);
    T far = x < 0 ? -tail : x - tail;
#if FLOAT_BITS == 64
    far = a < VM_C(0.5) ? x * FN(vm_phi_near0)(x) : far;
#endif
    return far;
}

/* ---- derivatives, each from one exponential ---------------------------------------------------- */

/* s + x s (1 - s) with s = sigmoid(y), y of the sign of x; the caller bounds x. With e = e^-|y| and
 * q = 1 / (1 + e), s is q or e q, and s (1 - s) is e q^2 on both sides. */
static inline T FN(vm_gate_slope)(T x, T y) {
    T e = FN(vm_exp_minus_abs)(y), q = 1 / (1 + e);
    return q * ((x < 0 ? e : VM_C(1)) + x * e * q);
}

static inline T FN(silu_slope)(T x) {
    return FN(vm_gate_slope)(FN(vm_within)(x, VM_C(1000)), x); /* e^-|x| is 0 beyond */
}

/* With y as in gelu_tanh, x dy/dx stands where silu has x. */
static inline T FN(gelu_tanh_slope)(T x) {
    T c = FN(vm_within)(x, VM_C(VM_GT_MAX)), z = c * c;
    return FN(vm_gate_slope)(c * (VM_C(VM_GT0) + VM_C(3 * VM_GT1) * z), c * (VM_C(VM_GT0) + VM_C(VM_GT1) * z));
}

/* With e and n as in mish: n / (n + 2) + 4 x e (e + 1) / (n + 2)^2 */
static inline T FN(mish_slope)(T x) {
    VM_UINT k;
    T c = FN(vm_at_most)(FN(vm_at_least)(x, VM_C(VM_XEXP_MIN)), VM_C(VM_MISH_MAX));
    T m = FN(vm_expm1_poly)(FN(vm_reduce)(c, &k)), e = FN(vm_scale_down)(1 + m, k);
    T q = 1 / (e * (e + 2) + 2), w = q * ((e + 2) + 4 * c * ((e + 1) * q));
    return FN(vm_scale_down)(w + w * m, k);
}

/* Phi(x) + x phi(x); as in gelu, Phi(-a) = H(t) e^(-a^2/2) / (a + c) */
static inline T FN(gelu_slope)(T x) {
    VM_UINT k;
    T a = FN(vm_at_most)(LIBM(fabs)(x), VM_C(VM_PHI_MAX)), ah = FN(vm_high)(a);
    T u = 1 / (a + VM_C(VM_PHI_C));
    T r = FN(vm_reduce2)(VM_C(-0.5) * ah * ah, VM_C(-0.5) * (a - ah) * (a + ah), &k);
    T w = FN(vm_phi_poly)(1 - VM_C(2 * VM_PHI_C) * u) * u - a * VM_C(0.39894228040143267794);
    T tail = FN(vm_scale_down)(w + w * FN(vm_expm1_poly)(r), k);
    return x < 0 ? tail : 1 - tail;
}

/* ---- inverse hyperbolic functions ----------------------------------------------------------- */

static inline T FN(arcsinh)(T x) {
    T a = LIBM(fabs)(x), s = a * a;
    T w = a > VM_C(VM_HUGE) ? a : a + s / (1 + LIBM(sqrt)(1 + s)); /* s may overflow there */
    T more = a > VM_C(VM_HUGE) ? VM_C(VM_LN2) : VM_C(0);
    return FN(vm_with_sign)(FN(log1p)(w) + more, x);
}

static inline T FN(arccosh)(T x) {
    T t = x - 1;
    T w = x > VM_C(VM_HUGE) ? x : t + LIBM(sqrt)(2 * t + t * t);
    T more = x > VM_C(VM_HUGE) ? VM_C(VM_LN2) : VM_C(0);
    T r = FN(log1p)(w) + more;
    return x < 1 ? VM_NAN : r;
}

static inline T FN(arctanh)(T x) {
    T a = LIBM(fabs)(x), t = a + a, q = a / (1 - a);
    T w = a < VM_C(0.5) ? t + t * q : t / (1 - a); /* the first form keeps a in full */
    return FN(vm_with_sign)(VM_C(0.5) * FN(log1p)(w), x);
}

/* ---- inverse trigonometric functions --------------------------------------------------------- */

#define VM_PI_2 1.5707963267948966192
#if FLOAT_BITS == 32
#define VM_PI_2_LO -4.37113883e-08 /* pi/2 minus the T nearest to it */
#else
#define VM_PI_2_LO 6.123233995736766e-17
#endif

/* arctan t = t + t^3 P(t^2), |t| <= tan(pi/8), relative error 2^-28.5 (f32), 2^-57.6 (f64).
 * Elsewhere arctan a = pi/4 + arctan((a - 1) / (a + 1)) = pi/2 + arctan(-1 / a). */
static inline T FN(arctan)(T x) {
    T a = LIBM(fabs)(x), num, den, turn, t, z, z2, p;
    num = a > VM_C(0.41421356237309504880) ? a - 1 : a;
    den = a > VM_C(0.41421356237309504880) ? a + 1 : VM_C(1);
    turn = a > VM_C(0.41421356237309504880) ? VM_C(0.5) : VM_C(0); /* in units of pi/2 */
    num = a > VM_C(2.41421356237309504880) ? VM_C(-1) : num;
    den = a > VM_C(2.41421356237309504880) ? a : den;
    turn = a > VM_C(2.41421356237309504880) ? VM_C(1) : turn;
    t = num / den;
    z = t * t;
    z2 = z * z;
#if FLOAT_BITS == 32
    p = VM_P4(z, z2, VM_C(-0.333333164), VM_C(0.199984804), VM_C(-0.142436549),
              VM_C(0.105944045)) +
        z2 * z2 * VM_C(-0.0607906058);
#else
    p = VM_P4(z, z2, -0.33333333333333198, 0.1999999999995323, -0.14285714280158437,
              0.11111110781446493) +
        z2 * z2 * (VM_P4(z, z2, -0.090908976966933661, 0.076920590727666299,
                         -0.06663090417497855, 0.058477853695586973) +
                   z2 * z2 * VM_P3(z, z2, -0.050388151277108981, 0.038051591151765499,
                                   -0.017892438729535557));
#endif
    return FN(vm_with_sign)(turn * VM_C(VM_PI_2) + (t + (t * z * p + turn * VM_C(VM_PI_2_LO))), x);
}

/* Both inverses come from arcsin y = y + y z P(z), z = y^2 <= 1/4, relative error 2^-31 (f32),
 * 2^-55.6 (f64): y = |x| itself up to 1/2, beyond it sqrt((1 - |x|) / 2), with
 * arccos |x| = 2 arcsin y. Returns y, *more = y z P(z). Outside [-1, 1] y is NaN. */
static inline T FN(vm_arcsin_parts)(T a, T *more) {
    T half = (1 - a) * VM_C(0.5), root = LIBM(sqrt)(half);
    T y = a < VM_C(0.5) ? a : root, z = a < VM_C(0.5) ? a * a : half, z2 = z * z, p;
#if FLOAT_BITS == 32
    p = VM_P4(z, z2, VM_C(0.166666597), VM_C(0.0750051215), VM_C(0.0445155166),
              VM_C(0.0318194926)) +
        z2 * z2 * VM_P2(z, VM_C(0.0143948337), VM_C(0.0375769772));
#else
    p = VM_P4(z, z2, 0.16666666666665381, 0.075000000003433417, 0.044642856823154727,
              0.030381959348315366) +
        z2 * z2 * (VM_P4(z, z2, 0.022371753029079212, 0.01735977983443698, 0.013884499799041048,
                         0.01217400786047786) +
                   z2 * z2 * VM_P4(z, z2, 0.00650736047548042, 0.019584376425545672,
                                   -0.016311890058334718, 0.031972095592173802));
#endif
    *more = y * z * p;
    return y;
}

static inline T FN(arcsin)(T x) {
    T a = LIBM(fabs)(x), more, y = FN(vm_arcsin_parts)(a, &more);
    T far = (VM_C(VM_PI_2) - 2 * y) + (VM_C(VM_PI_2_LO) - 2 * more);
    return FN(vm_with_sign)(a < VM_C(0.5) ? y + more : far, x);
}

static inline T FN(arccos)(T x) {
    T a = LIBM(fabs)(x), more, y = FN(vm_arcsin_parts)(a, &more);
    T near0 = VM_C(VM_PI_2) - (x + ((x < 0 ? -more : more) - VM_C(VM_PI_2_LO)));
    T top = 2 * (y + more), low = 2 * (VM_C(VM_PI_2) - (y + (more - VM_C(VM_PI_2_LO))));
    T far = x < 0 ? low : top;
    return a < VM_C(0.5) ? near0 : far;
}

/* ---- libm ----------------------------------------------------------------------------------- */

/* pow and arctan2 have too many special cases to be worth it. */
static inline T FN(arctan2)(T y, T x) { return LIBM(atan2)(y, x); }
static inline T FN(pow)(T x, T y) { return LIBM(pow)(x, y); }

#include "vtrig.h"

/* ---- ready for the next dtype ---- */
#undef VM_C
#undef LIBM
#undef VM_UINT
#undef VM_MANT
#undef VM_BIAS
#undef VM_ONE
#undef VM_SQRT_HALF
#undef VM_2P_MANT
#undef VM_HIGH_HALF
#undef VM_2PM
#undef VM_MIN_NORMAL
#undef VM_TINY
#undef VM_HUGE
#undef VM_LN2_HI
#undef VM_LN2_LO
#undef VM_LOG10_2_HI
#undef VM_LOG10_2_LO
#undef VM_EXP_MIN
#undef VM_EXP_MAX
#undef VM_EXPM1_MIN
#undef VM_SINH_MAX
#undef VM_MISH_MAX
#undef VM_XEXP_MIN
#undef VM_LN2
#undef VM_LOG2E
#undef VM_INF
#undef VM_NAN
#undef VM_MAGIC
#undef VM_GT0
#undef VM_GT1
#undef VM_GT0_HI
#undef VM_GT0_LO
#undef VM_GT1_HI
#undef VM_GT1_LO
#undef VM_GT_MAX
#undef VM_PHI_C
#undef VM_PHI_MAX
#undef VM_ERF_MAX
#undef VM_ERF_NEAR
#undef VM_PI_2
#undef VM_PI_2_LO
#undef VM_DOWN
#undef VM_2M_DOWN
