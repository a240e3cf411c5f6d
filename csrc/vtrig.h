/* vtrig.h - sin, cos and tan as vmath.h has its functions: no branches, no calls.  Included at the end of vmath_tail.h.
 *
 * For |x| <= VM_NEAR; beyond it pi/2 would take a thousand bits, and the loops of loops.inc go to libm, block by block.
 * x = k pi/2 + r with |r| <= pi/4: the parts of pi/2 are short enough for k times them to be exact, so r keeps its digits also
 * where x lies as near to a multiple of pi/2 as a float can.  Then one of two polynomials, by k modulo 4. */

#ifndef VM_NEAR
#define VM_NEAR 1e6
#define VM_2_PI 0.6366197723675814
#define VM_2P52_15 6755399441055744.0 /* 1.5 * 2^52: adding it rounds to an integer */
#endif

/* r + *low, rounded to T; the low bits of *turns are k */
static inline T FN(vm_quadrant)(T x, T *low, VM_UINT *turns) {
#if FLOAT_BITS == 32
    /* in double, where two parts are enough */
    double d = x, k = (d * VM_2_PI + VM_2P52_15) - VM_2P52_15;
    double r = (d - k * 1.5707963267341256) - k * 6.077100506506192e-11;
    T high = (T)r;
    *low = (T)(r - (double)high);
    *turns = FN(vm_bits)((T)k + VM_C(1.5 * VM_2PM));
    return high;
#else
    T z = x * VM_2_PI + VM_2P52_15, k = z - VM_2P52_15;
    T a = x - k * 1.5707963267341256, b = k * -6.077100506303966e-11, c = k * -2.0222662487111665e-21;
    /* a + b and then + c, with what the sums lose */
    T s = a + b, t = s - a, lost = (a - (s - t)) + (b - t);
    T u = s + c, v = u - s, rest = ((s - (u - v)) + (c - v)) + lost - k * 8.4784276603689e-32;
    T high = u + rest;
    *low = (u - high) + rest;
    *turns = FN(vm_bits)(z);
    return high;
#endif
}

/* sin(r + low) and cos(r + low) for |r| <= pi/4; relative error of the polynomials 2^-27, 2^-31 (f32), 2^-57, 2^-62 (f64) */
static inline T FN(vm_sin_poly)(T r, T low) {
    T z = r * r, p;
#if FLOAT_BITS == 32
    p = VM_P3(z, z * z, VM_C(-0.16666655), VM_C(0.008332099), VM_C(-0.0001950363));
#else
    p = VM_P3(z, z * z, -0.1666666666666664, 0.008333333333323624, -0.00019841269830109004) +
        z * z * z * VM_P3(z, z * z, 2.7557313638561094e-06, -2.505073238788144e-08, 1.5894580227651484e-10);
#endif
    return r + (low * (1 - VM_C(0.5) * z) + r * z * p);
}

static inline T FN(vm_cos_poly)(T r, T low) {
    T z = r * r, half = VM_C(0.5) * z, top = 1 - half, p;
#if FLOAT_BITS == 32
    p = VM_P3(z, z * z, VM_C(0.041666653), VM_C(-0.0013887652), VM_C(2.44635e-05));
#else
    p = VM_P3(z, z * z, 0.04166666666666665, -0.0013888888888882816, 2.4801587294605744e-05) +
        z * z * z * VM_P3(z, z * z, -2.755731573025875e-07, 2.0875896367140687e-09, -1.1367900016366182e-11);
#endif
    return top + (((1 - top) - half) + (z * z * p - r * low));
}

/* the sine of r + low after so many quarter turns */
static inline T FN(vm_turned)(T r, T low, VM_UINT turns) {
    const T s = FN(vm_sin_poly)(r, low), c = FN(vm_cos_poly)(r, low);
    const VM_UINT odd = -(turns & 1);
    const VM_UINT y = (FN(vm_bits)(c) & odd) | (FN(vm_bits)(s) & ~odd);
    return FN(vm_float)(y ^ ((turns & 2) << (FLOAT_BITS - 2)));
}

static inline T FN(sin)(T x) {
    T low;
    VM_UINT turns;
    T r = FN(vm_quadrant)(x, &low, &turns);
    T y = FN(vm_turned)(r, low, turns);
    return x == 0 ? x : y; /* -0 */
}

static inline T FN(cos)(T x) {
    T low;
    VM_UINT turns;
    T r = FN(vm_quadrant)(x, &low, &turns);
    return FN(vm_turned)(r, low, turns + 1);
}

static inline T FN(tan)(T x) {
    T low;
    VM_UINT turns;
    T r = FN(vm_quadrant)(x, &low, &turns);
    const T s = FN(vm_sin_poly)(r, low), c = FN(vm_cos_poly)(r, low);
    const VM_UINT odd = -(turns & 1), S = FN(vm_bits)(s), C = FN(vm_bits)(c);
    T y = FN(vm_float)((S & ~odd) | (C & odd)) / FN(vm_float)(((C & ~odd) | (S & odd)) ^ (odd << (FLOAT_BITS - 1)));
    return x == 0 ? x : y;
}

/* what a row's text calls; `beyond` is a constant there */
static inline T FN(vm_sin)(T x, int beyond) { return beyond ? LIBM(sin)(x) : FN(sin)(x); }
static inline T FN(vm_cos)(T x, int beyond) { return beyond ? LIBM(cos)(x) : FN(cos)(x); }
static inline T FN(vm_tan)(T x, int beyond) { return beyond ? LIBM(tan)(x) : FN(tan)(x); }
