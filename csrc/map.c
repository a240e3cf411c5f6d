/* map.c: runs a contiguous kernel over strided and broadcast operands; copies between layouts.  Compiled once per
 * instruction set, as kernels.c is.
 *
 * Kernels see only contiguous runs, so each needs one loop and that loop vectorises.  Where an operand
 * is not contiguous along the innermost axis, a block of it is gathered into a scratch line in the
 * first-level cache; a broadcast value is spread there once and used again for every block.
 * Next: kernels.c, the loops themselves. */
#include "kernels.h"
#include <assert.h>
#include <string.h>

#ifndef FAD_ISA
#define FAD_ISA baseline
#endif
#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define fad_map CAT(fad_map_, FAD_ISA)
#define fad_copy CAT(fad_copy_, FAD_ISA)
#define fad_cast CAT(fad_cast_, FAD_ISA)
#define fad_below CAT(fad_below_, FAD_ISA)
fad_over_fn fad_map;
fad_copy_fn fad_copy;
fad_cast_fn fad_cast;
fad_below_fn fad_below;

enum { BLOCK_BYTES = 4096, LINE_BYTES = 64 };

/* Vectors that are filled from, or spread over, places apart take longer than a number at a time. */
#if defined(__GNUC__) && !defined(__clang__)
#define SCALAR __attribute__((optimize("no-tree-vectorize")))
#define UNROLLED _Pragma("GCC unroll 4")
#else
#define SCALAR
#define UNROLLED
#endif

typedef uint64_t eight __attribute__((aligned(4), may_alias));     /* a complex64 is aligned as its parts are */

#define APART(TYPE) do { \
        UNROLLED for (ptrdiff_t i = 0; i < n; i++) *(TYPE *)(dst + i * out_stride) = *(const TYPE *)(src + i * stride); } while (0)
SCALAR static void move_apart(ptrdiff_t n, const char *src, ptrdiff_t stride, char *dst, ptrdiff_t out_stride, ptrdiff_t size)
{
    if (size == 4) APART(uint32_t);
    else if (size == 8) APART(eight);
    else if (size == 1) APART(uint8_t);
    else for (ptrdiff_t i = 0; i < n; i++) memcpy(dst + i * out_stride, src + i * stride, (size_t)size);
}
#undef APART

/* the strides with loops of their own are those that a vector can load: one number, backwards, every other one */
static void gather(ptrdiff_t n, const char *src, ptrdiff_t stride, char *dst, ptrdiff_t size)
{
#define MOVE(TYPE) do { TYPE *d = (TYPE *)dst; const TYPE *s = (const TYPE *)src, first = *s; \
        if (stride == 0) for (ptrdiff_t i = 0; i < n; i++) d[i] = first; \
        else if (stride == -size) for (ptrdiff_t i = 0; i < n; i++) d[i] = s[-i]; \
        else for (ptrdiff_t i = 0; i < n; i++) d[i] = s[2 * i]; } while (0)
    const int straight = stride == 0 || stride == -size || stride == 2 * size;
    if (n > 0 && straight && size == 4) MOVE(uint32_t);
    else if (n > 0 && straight && size == 8) MOVE(eight);
    else if (n > 0 && straight && size == 1) MOVE(uint8_t);
    else move_apart(n, src, stride, dst, size, size);
#undef MOVE
}

/* Drops axes of length 1 and joins neighbours that are one run for every operand. */
static int coalesce(int ndim, const ptrdiff_t *shape, int n, const fad_operand *const *ops,
                    ptrdiff_t *dims, ptrdiff_t (*strides)[FAD_MAX_NDIM])
{
    int last = -1;
    for (int axis = 0; axis < ndim; axis++) {
        if (shape[axis] == 1) continue;
        int join = last >= 0;
        for (int k = 0; join && k < n; k++)
            join = strides[k][last] == ops[k]->strides[axis] * shape[axis];
        if (!join) { last++; dims[last] = 1; }
        dims[last] *= shape[axis];
        for (int k = 0; k < n; k++) strides[k][last] = ops[k]->strides[axis];
    }
    if (last < 0) {
        last = 0;
        dims[0] = 1;
        for (int k = 0; k < n; k++) strides[k][0] = ops[k]->itemsize;
    }
    return last + 1;
}

void fad_map(fad_map_fn kernel, const double *param, int ndim, const ptrdiff_t *shape,
             int n_in, const fad_operand *in, const fad_operand *out)
{
    ptrdiff_t dims[FAD_MAX_NDIM], strides[FAD_MAX_OPERANDS + 1][FAD_MAX_NDIM];
    ptrdiff_t index[FAD_MAX_NDIM] = {0};
    const fad_operand *ops[FAD_MAX_OPERANDS + 1];
    const char *at[FAD_MAX_OPERANDS + 1];
    const char *spread[FAD_MAX_OPERANDS] = {0};      /* which broadcast value a scratch line holds */
    const void *args[FAD_MAX_OPERANDS];
    union { char bytes[BLOCK_BYTES]; double align; } scratch[FAD_MAX_OPERANDS + 1];
    int used[FAD_MAX_OPERANDS], n_used = 0;
    ptrdiff_t widest = out->itemsize;

    assert(n_in <= FAD_MAX_OPERANDS && ndim <= FAD_MAX_NDIM);
    for (int axis = 0; axis < ndim; axis++) if (shape[axis] == 0) return;
    for (int k = 0; k < n_in; k++) {
        args[k] = NULL;
        if (in[k].data == NULL) continue;            /* an operand that this kernel does not read */
        used[n_used] = k;
        ops[n_used] = &in[k];
        at[n_used++] = in[k].data;
        if (in[k].itemsize > widest) widest = in[k].itemsize;
    }
    ops[n_used] = out;
    at[n_used] = out->data;
    ndim = coalesce(ndim, shape, n_used + 1, ops, dims, strides);

    const ptrdiff_t n = dims[ndim - 1];
    int direct = 1;
    for (int k = 0; k <= n_used; k++) direct &= strides[k][ndim - 1] == ops[k]->itemsize || n == 1;
    const ptrdiff_t block = direct ? n : BLOCK_BYTES / widest;

    for (;;) {
        for (ptrdiff_t start = 0; start < n; start += block) {
            const ptrdiff_t m = n - start < block ? n - start : block;
            for (int k = 0; k < n_used; k++) {
                const ptrdiff_t s = strides[k][ndim - 1], size = ops[k]->itemsize;
                const char *src = at[k] + start * s;
                if (s == size || n == 1) { args[used[k]] = src; continue; }
                args[used[k]] = scratch[k].bytes;
                if (s == 0 && spread[k] == src) continue;
                gather(s == 0 && n > block ? block : m, src, s, scratch[k].bytes, size);
                spread[k] = s == 0 ? src : NULL;
            }
            char *dst = (char *)at[n_used] + start * strides[n_used][ndim - 1];
            if (strides[n_used][ndim - 1] == out->itemsize || n == 1) kernel(m, args, dst, param);
            else {
                kernel(m, args, scratch[n_used].bytes, param);
                move_apart(m, scratch[n_used].bytes, out->itemsize, dst, strides[n_used][ndim - 1], out->itemsize);
            }
        }
        int axis = ndim - 2;
        for (; axis >= 0; axis--) {
            for (int k = 0; k <= n_used; k++) at[k] += strides[k][axis];
            if (++index[axis] < dims[axis]) break;
            for (int k = 0; k <= n_used; k++) at[k] -= strides[k][axis] * dims[axis];
            index[axis] = 0;
        }
        if (axis < 0) return;
    }
}

/* Tiles of at most LINE_BYTES each way, transposed: to[i][j] = from[j][i]; rows of `from` are `step` apart, of `to` a line. */
#if defined(__clang__) || (defined(__GNUC__) && __GNUC__ >= 12)
typedef uint32_t four __attribute__((vector_size(16), aligned(4), may_alias));
typedef uint64_t two __attribute__((vector_size(16), aligned(8), may_alias));
#define MIX __builtin_shufflevector
enum { SQUARE = 16 };                                /* bytes of the side of a square; the tile is made of them */
static void transpose_square(const char *from, ptrdiff_t step, char *to, ptrdiff_t size)
{
    if (size == 4) {
        const four a = *(const four *)from, b = *(const four *)(from + step);
        const four c = *(const four *)(from + 2 * step), d = *(const four *)(from + 3 * step);
        const four ab = MIX(a, b, 0, 4, 1, 5), cd = MIX(c, d, 0, 4, 1, 5), AB = MIX(a, b, 2, 6, 3, 7), CD = MIX(c, d, 2, 6, 3, 7);
        *(four *)to = MIX(ab, cd, 0, 1, 4, 5);
        *(four *)(to + LINE_BYTES) = MIX(ab, cd, 2, 3, 6, 7);
        *(four *)(to + 2 * LINE_BYTES) = MIX(AB, CD, 0, 1, 4, 5);
        *(four *)(to + 3 * LINE_BYTES) = MIX(AB, CD, 2, 3, 6, 7);
    } else {
        const two a = *(const two *)from, b = *(const two *)(from + step);
        *(two *)to = MIX(a, b, 0, 2);
        *(two *)(to + LINE_BYTES) = MIX(a, b, 1, 3);
    }
}
#else
enum { SQUARE = 8 };
static void transpose_square(const char *from, ptrdiff_t step, char *to, ptrdiff_t size)
{
    for (ptrdiff_t j = 0; j < SQUARE / size; j++) move_apart(SQUARE / size, from + j * step, size, to + j * size, LINE_BYTES, size);
}
#endif

/* Transposes (rows, columns), whose rows are contiguous in dst and whose columns are in src, a cache line of each at a
 * time: every line is read once and written once, wherever the strides put the next one. */
static void transpose_block(ptrdiff_t rows, ptrdiff_t columns, const char *src, ptrdiff_t step, char *dst,
                            ptrdiff_t out_step, ptrdiff_t size)
{
    const ptrdiff_t side = LINE_BYTES / size;
    union { char bytes[LINE_BYTES * LINE_BYTES / 4]; uint64_t align; } tile;
    for (ptrdiff_t c = 0; c < columns; c += side) {
        const ptrdiff_t w = columns - c < side ? columns - c : side;
        for (ptrdiff_t r = 0; r < rows; r += side) {
            const ptrdiff_t h = rows - r < side ? rows - r : side;
            const char *from = src + c * step + r * size;
            char *to = dst + r * out_step + c * size;
            if (w * size % SQUARE || h * size % SQUARE) {
                for (ptrdiff_t i = 0; i < h; i++) move_apart(w, from + i * size, step, to + i * out_step, size, size);
                continue;
            }
            for (ptrdiff_t j = 0; j < w; j += SQUARE / size)
                for (ptrdiff_t i = 0; i < h; i += SQUARE / size)
                    transpose_square(from + j * step + i * size, step, tile.bytes + i * LINE_BYTES + j * size, size);
            if (w == side) for (ptrdiff_t i = 0; i < h; i++) memcpy(to + i * out_step, tile.bytes + i * LINE_BYTES, LINE_BYTES);
            else for (ptrdiff_t i = 0; i < h; i++) memcpy(to + i * out_step, tile.bytes + i * LINE_BYTES, (size_t)(w * size));
        }
    }
}

/* in blocks of so many rows and columns that their pages stay in the table of pages */
static void transpose(ptrdiff_t rows, ptrdiff_t columns, const char *src, ptrdiff_t step, char *dst, ptrdiff_t out_step,
                      ptrdiff_t size)
{
    const ptrdiff_t side = 16 * LINE_BYTES / size;
    for (ptrdiff_t r = 0; r < rows; r += side)
        for (ptrdiff_t c = 0; c < columns; c += side)
            transpose_block(rows - r < side ? rows - r : side, columns - c < side ? columns - c : side,
                            src + c * step + r * size, step, dst + r * out_step + c * size, out_step, size);
}

void fad_copy(int ndim, const ptrdiff_t *shape, const fad_operand *src, const fad_operand *dst)
{
    ptrdiff_t dims[FAD_MAX_NDIM], strides[2][FAD_MAX_NDIM], index[FAD_MAX_NDIM] = {0};
    const fad_operand *ops[2] = {dst, src};
    assert(ndim <= FAD_MAX_NDIM && src->itemsize == dst->itemsize);
    for (int axis = 0; axis < ndim; axis++) if (shape[axis] == 0) return;
    ndim = coalesce(ndim, shape, 2, ops, dims, strides);
    char *to = (char *)dst->data;
    const char *from = src->data;
    const ptrdiff_t size = dst->itemsize, n = dims[ndim - 1];
    const ptrdiff_t out_step = strides[0][ndim - 1], in_step = strides[1][ndim - 1];
    int rows = -1;                                   /* the axis that is contiguous in src, if that is not the last */
    if (out_step == size && in_step != size && (size == 4 || size == 8))
        for (int axis = 0; axis < ndim - 1; axis++) if (strides[1][axis] == size) rows = axis;
    for (;;) {
        if (rows >= 0) transpose(dims[rows], n, from, in_step, to, strides[0][rows], size);
        else if (out_step == size && in_step == size) memcpy(to, from, (size_t)(n * size));
        else if (out_step == size) gather(n, from, in_step, to, size);
        else move_apart(n, from, in_step, to, out_step, size);
        int axis = ndim - 2;
        for (; axis >= 0; axis--) {
            if (axis == rows) continue;
            to += strides[0][axis];
            from += strides[1][axis];
            if (++index[axis] < dims[axis]) break;
            to -= strides[0][axis] * dims[axis];
            from -= strides[1][axis] * dims[axis];
            index[axis] = 0;
        }
        if (axis < 0) return;
    }
}

void fad_cast(ptrdiff_t n, int from, const void *src, int to, void *dst)
{
    if (from == to) memcpy(dst, src, (size_t)n * (from == FAD_F32 ? sizeof(float) : sizeof(double)));
    else if (from == FAD_F32) for (ptrdiff_t i = 0; i < n; i++) ((double *)dst)[i] = ((const float *)src)[i];
    else for (ptrdiff_t i = 0; i < n; i++) ((float *)dst)[i] = (float)((const double *)src)[i];
}

/* ---- random bits ----------------------------------------------------------------------------------- */
void fad_below(ptrdiff_t n, const uint8_t *bits, uint8_t limit, uint8_t *kept)
{
    for (ptrdiff_t i = 0; i < n; i++) kept[i] = bits[i] < limit;
}
