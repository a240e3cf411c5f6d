/* image.c: pictures resampled by a map, for float32, float64 and uint8; image.inc holds the loops.
 *
 * One of three routes serves a map: rows copied, where it moves by whole pixels and turns nothing (flips, crops, padding); two
 * passes of a triangle filter, where it only scales and moves; four neighbours of each place, anywhere else.  Compiled once:
 * what these loops wait for is memory and not arithmetic. */
#include "image.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#if defined(__GNUC__) && !defined(__clang__)
#define IVDEP _Pragma("GCC ivdep")
#else
#define IVDEP
#endif
#if defined(__GNUC__)
typedef float four_t __attribute__((vector_size(16)));
typedef int32_t whole_t __attribute__((vector_size(16)));
#define UNROLL _Pragma("GCC unroll 4")
#if defined(__clang__)
#define MIX(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define MIX(a, b, i, j, k, l) __builtin_shuffle(a, b, (whole_t){ i, j, k, l })
#endif
#define LAST_FIRST (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
#else
#define UNROLL
#endif
/* what few places need stands in the library once */
#if defined(__GNUC__)
#define APART __attribute__((noinline))
#else
#define APART
#endif

enum { BLOCK = 128 };                   /* places whose neighbours are found before they are read */
static const double REDUCES = 1.5;      /* a map that steps over so many pixels is filtered first, unless it only scales */
static const double LUMA[3] = { 0.299, 0.587, 0.114 };      /* ITU-R BT.601, as Pillow's */

/* a coordinate that an int can hold; whoever is so far outside has no neighbours */
static double tame(double v)
{
    return v > -1e9 ? (v < 1e9 ? v : 1e9) : -1e9;
}

/* floor, of what an int can hold; the library's is a call where the processor has no instruction for it */
static inline int32_t below(double v)
{
    const int32_t i = (int32_t)v;
    return i - (v < i);
}

static APART ptrdiff_t seen_beyond(ptrdiff_t i, ptrdiff_t n, int mode)
{
    if (mode == FAD_CONSTANT)
        return -1;
    if (mode == FAD_EDGE || n == 1)
        return i < 0 ? 0 : n - 1;
    i = (i < 0 ? -i : i) % (2 * n - 2);
    return i < n ? i : 2 * n - 2 - i;
}

/* the pixel that is seen at place i of an axis of length n, or -1 */
static inline ptrdiff_t seen(ptrdiff_t i, ptrdiff_t n, int mode)
{
    return i >= 0 && i < n ? i : seen_beyond(i, n, mode);
}

/* along one axis: the places start + step i, and a triangle of half its base `width` about each; `inside`: the pixels of an
 * antialiased result lie within the picture, and it sees no edge */
typedef struct { double start, step, width; ptrdiff_t n, length; int taps, inside; } axis_t;

static APART axis_t axis(ptrdiff_t n, ptrdiff_t length, double start, double step, double width, int antialias)
{
    axis_t a = { start, step, width < 1 ? 1 : width > n ? n : width, n, length, 0, 0 };
    const double last = start + step * (length - 1), half = fabs(step) / 2;
    const double low = (step < 0 ? last : start) - half, high = (step < 0 ? start : last) + half;
    a.taps = (int)ceil(2 * a.width);
    a.taps = a.taps < n ? a.taps : (int)n;
    a.inside = antialias && low >= -0.5 - 1e-6 && high <= n - 0.5 + 1e-6;
    return a;
}

static int separable(const double *m)
{
    return m[1] == 0 && m[3] == 0;
}

static APART int whole(const double *m)
{
    return separable(m) && fabs(m[0]) == 1 && fabs(m[4]) == 1 && m[2] == floor(m[2]) && m[5] == floor(m[5])
        && fabs(m[2]) < 1e9 && fabs(m[5]) < 1e9;
}

/* where n places of row i of the result, from j on, lead through a matrix, or (bent) a lens */
static APART void locate(const double *m, int bent, double i, int j, int n, double *r, double *q)
{
    const double *first = bent ? m + 6 : m;
    const double row = first[0] * i + first[2], col = first[3] * i + first[5];
    IVDEP
    for (int k = 0; k < n; k++) {
        r[k] = row + first[1] * (double)(j + k);
        q[k] = col + first[4] * (double)(j + k);
    }
    for (int k = 0; k < n && bent; k++) {
        const double down = r[k] - m[12], right = q[k] - m[13], longer = m[14] * (down * down + right * right);
        const double there_r = r[k] + down * longer, there_q = q[k] + right * longer;
        r[k] = m[0] * there_r + m[1] * there_q + m[2];
        q[k] = m[3] * there_r + m[4] * there_q + m[5];
    }
}

/* a lens that bends nothing as a matrix; `room` for it */
static APART const double *unbent(const fad_warp *s, const double *m, double room[6])
{
    if (s->kind != FAD_LENS)
        return m;
    for (int i = 0; i < 6; i++)
        room[i] = m[i / 3 * 3] * m[6 + i % 3] + m[i / 3 * 3 + 1] * m[9 + i % 3] + (i % 3 == 2 ? m[i] : 0);
    return room;
}

static inline int is_bent(const fad_warp *s, const double *m)
{
    return s->kind == FAD_LENS && m[14] != 0;
}

/* both axes of a map that only scales and moves, or of the filter before another map; 0 if none is needed */
static APART int axes(const fad_warp *s, const double *m, int bent, axis_t *rows, axis_t *cols)
{
    if (separable(m) && !bent) {
        *rows = axis(s->h, s->ho, m[2], m[0], s->antialias ? fabs(m[0]) : 1, s->antialias);
        *cols = axis(s->w, s->wo, m[5], m[4], s->antialias ? fabs(m[4]) : 1, s->antialias);
        return 1;
    }
    const double over = hypot(m[0], m[1]), along = hypot(m[3], m[4]);
    *rows = axis(s->h, s->h, 0, 1, over, 1);
    *cols = axis(s->w, s->w, 0, 1, along, 1);
    return s->antialias && (over > REDUCES || along > REDUCES);
}

/* work: a filtered picture, a row of it, which may come with its channels side by side too, and the taps of every column and of one row; eight bytes a number */
static size_t taps_size(const axis_t *a, ptrdiff_t length)
{
    return 8 * (size_t)length * ((size_t)a->taps + 2);
}

size_t fad_warp_work(const fad_warp *s, const double *m, int back)
{
    axis_t rows, cols;
    double room[6];
    const int bent = is_bent(s, m);
    m = unbent(s, m, room);
    if (s->kind == FAD_FIELD || (whole(m) && !bent && !back) || !axes(s, m, bent, &rows, &cols))
        return 0;
    return taps_size(&cols, cols.length) + taps_size(&rows, 1) + 8 * (size_t)((s->c + 1) * s->w)
        + (separable(m) && !bent ? 0 : 8 * (size_t)(s->c * s->h * s->w));
}

/* R: weights and sums; W: the shares of neighbours, of ONE; USUAL: pictures come in this dtype, so three channels have loops
 * of their own */
#define T float
#define R float
#define W float
#define ONE 1.0f
#define USUAL 1
#define FN(name) CAT(name, _f32)
#include "image.inc"
#undef T
#undef R
#undef W
#undef ONE
#undef USUAL
#undef FN

#define T double
#define R double
#define W double
#define ONE 1.0
#define USUAL 0
#define FN(name) CAT(name, _f64)
#include "image.inc"
#undef T
#undef R
#undef W
#undef ONE
#undef USUAL
#undef FN

#define BYTES
#define T uint8_t
#define R float
#define W int32_t
#define ONE (1 << 15)
#define USUAL 1
#define taps_u8 taps_f32
#define place_u8 place_f32
#define find_u8 find_f32
#define FN(name) CAT(name, _u8)
#include "image.inc"

fad_warp_fn *const fad_warps[FAD_PICTURES] = { warp_f32, warp_f64, warp_u8 };
fad_spread_fn *const fad_spreads[2] = { spread_f32, spread_f64 };
fad_blend_fn *const fad_blends[FAD_PICTURES] = { blend_f32, blend_f64, blend_u8 };
