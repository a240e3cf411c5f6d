/* kernels.h: what csrc/ offers to the Cython core: one table of function pointers.
 *
 * kernels.c and map.c are compiled once per instruction set (see setup.py); every such pair exports one
 * `fad_kernels`, and dispatch.c picks one of them when the library is loaded.  map.c feeds the contiguous
 * kernels with strided and broadcast operands.
 *
 * Nothing here knows Python, allocates, or keeps state.  Next: rows.def, the elementwise table.
 */
#ifndef FAD_KERNELS_H
#define FAD_KERNELS_H
#include <stddef.h>
#include <stdint.h>

enum { FAD_F32, FAD_F64, FAD_COMPILED };          /* the dtypes that have kernels */
enum { FAD_NONE = 0, FAD_A = 1, FAD_X = 1, FAD_B = 2, FAD_Y = 4 };  /* what a derivative reads */
enum { FAD_MAX_NDIM = 64, FAD_MAX_OPERANDS = 4 };

/* An elementwise kernel: n elements, contiguous operands.  Forward: in = {x} or {a, b}.
 * Backward: in = {g, a, b, y} (unary: b is NULL); what the row does not read may be NULL. */
typedef void (*fad_map_fn)(ptrdiff_t n, const void *const *in, void *out, const double *param);

/* One row of the elementwise table: its text for the traced rules, its loops for the raw ones. */
typedef struct {
    const char *name;
    const char *value;           /* "tanh(x)" */
    const char *vjp[2];          /* "g * (1 - y*y)", for each input */
    int needs[2];                /* FAD_A | FAD_B | FAD_Y: what that text reads beside g */
    int arity, n_params;
    double lo, hi;               /* the tests' domain */
    fad_map_fn forward[FAD_COMPILED];
    fad_map_fn backward[FAD_COMPILED][2][2];       /* [dtype][input][0 writes, 1 adds] */
} fad_row;

/* Reductions see x as (outer, r, inner), contiguous, and reduce over r.  `add` accumulates. */
typedef void (*fad_reduce_fn)(ptrdiff_t outer, ptrdiff_t r, ptrdiff_t inner,
                              const void *x, void *out, int add);
/* The positions of extremes, of the same x. */
typedef void (*fad_position_fn)(ptrdiff_t outer, ptrdiff_t r, ptrdiff_t inner, const void *x, int64_t *out);
/* Sums of (x - about)^2, `about` as long as the output; NULL: of x^2. */
typedef void (*fad_squares_fn)(ptrdiff_t outer, ptrdiff_t r, ptrdiff_t inner, const void *x, const void *about, void *out);
/* Row-wise kernels see x as (rows, n), contiguous. */
typedef void (*fad_rows_fn)(ptrdiff_t rows, ptrdiff_t n, const void *x, void *out);
typedef void (*fad_rows_back_fn)(ptrdiff_t rows, ptrdiff_t n,
                                 const void *g, const void *y, void *out, int add);
/* -log softmax(x_i)[t_i]; keeps two numbers a row, max(x_i) and log sum exp(x_i - max(x_i)), for the way back.
 * The targets have been checked. */
typedef void (*fad_xent_fn)(ptrdiff_t rows, ptrdiff_t n, const void *x, const int64_t *target,
                            void *kept, void *loss);
typedef void (*fad_xent_back_fn)(ptrdiff_t rows, ptrdiff_t n, const void *x, const int64_t *target,
                                 const void *kept, const void *g, void *out, int add);
/* C := A B (+ C), with element strides: what small products run, and every one when no BLAS is found. */
typedef void (*fad_gemm_fn)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                            const void *a, ptrdiff_t ars, ptrdiff_t acs,
                            const void *b, ptrdiff_t brs, ptrdiff_t bcs,
                            void *c, ptrdiff_t ldc, int add);

/* A convolution whose second matrix is x seen at offsets, and its weights' gradient; the largest of windows, and where:
 * see windows.inc.  Places are int32_t for float32, else int64_t. */
typedef void (*fad_convolve_fn)(ptrdiff_t k, const void *w, const void *x, const ptrdiff_t *off, const void *bias,
                                ptrdiff_t rows, ptrdiff_t n, void *c, ptrdiff_t ldc);
typedef void (*fad_correlate_fn)(ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t line, ptrdiff_t k, const void *x,
                                 const ptrdiff_t *off, const void *g, ptrdiff_t ldg, void *dw);
typedef struct { ptrdiff_t height, width, rows, cols, kernel[2], stride[2], pad[2], dilation[2]; } fad_windows;
typedef void (*fad_max_windows_fn)(const fad_windows *q, ptrdiff_t planes, const void *x, void *y, void *where);
typedef void (*fad_max_windows_back_fn)(ptrdiff_t planes, ptrdiff_t n, ptrdiff_t size, const void *g, const void *where,
                                        void *dx);
/* sums += those of images' windows; back: images += the sums, each to all of its window.  Without dilation. */
typedef void (*fad_sum_windows_fn)(const fad_windows *q, ptrdiff_t planes, void *images, void *sums, int back);

/* One step of a recurrent layer for `rows` sequences of `h` features: see recurrent.inc. */
typedef void (*fad_lstm_fn)(ptrdiff_t rows, ptrdiff_t h, void *gates, const void *before, void *c, void *y);
typedef void (*fad_lstm_back_fn)(ptrdiff_t rows, ptrdiff_t h, const void *gates, const void *before, const void *c,
                                 const void *g, const void *dh, void *dc, void *d);
typedef void (*fad_gru_fn)(ptrdiff_t rows, ptrdiff_t h, void *gates, const void *states, const void *before, void *kept,
                           void *y);
typedef void (*fad_gru_back_fn)(ptrdiff_t rows, ptrdiff_t h, const void *gates, const void *kept, const void *before,
                                const void *g, void *dh, void *d, void *e);

/* Normalisation of x (n, c, l), contiguous: see norm.inc.  Statistics of group_norm are (n * groups, 3), of channels (4, c). */
typedef struct { ptrdiff_t n, c, l, groups; double eps; int centred; } fad_norm;
typedef void (*fad_group_norm_fn)(const fad_norm *o, const void *x, const void *w, const void *b, void *stats, void *y);
typedef void (*fad_group_norm_back_fn)(const fad_norm *o, const void *g, const void *x, const void *w, const void *stats, void *part,
                                       void *dx);
/* of `some` channels: their moments; their sums of g and g (x - m) */
typedef void (*fad_batch_moments_fn)(const fad_norm *o, ptrdiff_t some, const void *x, void *stats);
typedef void (*fad_batch_against_fn)(const fad_norm *o, ptrdiff_t some, const void *g, const void *x, const void *m, void *a, void *b);
/* what all images have in common */
typedef void (*fad_batch_factors_fn)(const fad_norm *o, const void *w, const void *b, const void *stats, void *work);
typedef void (*fad_batch_slopes_fn)(const fad_norm *o, const void *w, const void *stats, int fixed, void *work, void *dw, void *db);
/* of `some` images */
typedef void (*fad_batch_norm_fn)(const fad_norm *o, ptrdiff_t some, const void *x, const void *stats, const void *work, void *y);
typedef void (*fad_batch_norm_back_fn)(const fad_norm *o, ptrdiff_t some, const void *g, const void *x, const void *m,
                                       const void *work, void *dx);

/* Attention beside its products, and dropout: see attend.inc. */
typedef void (*fad_attend_fn)(ptrdiff_t rows, ptrdiff_t n, double scale, const void *mask, ptrdiff_t step, int causal, void *s);
typedef void (*fad_attend_back_fn)(ptrdiff_t rows, ptrdiff_t n, double scale, const void *p, void *d);
typedef void (*fad_drop_fn)(ptrdiff_t n, const void *x, const void *kept, double scale, void *out);
/* kept[i] = bits[i] < limit */
typedef void fad_below_fn(ptrdiff_t n, const uint8_t *bits, uint8_t limit, uint8_t *kept);

/* One step of a rule of fastad.optim on one parameter: see optim.inc.  Of the options, FAD_STEP is the number of the step, from 1
 * on, FAD_KEPT a number that the rule keeps beside its arrays, FAD_KEEP where it leaves the next one. */
enum { FAD_STEP, FAD_KEPT, FAD_KEEP, FAD_LR, FAD_MAXIMIZE, FAD_DECAY, FAD_L1, FAD_OWN, FAD_OPTIONS = FAD_OWN + 8, FAD_STATES = 3 };
typedef void (*fad_rule_fn)(ptrdiff_t n, void *p, const void *g, void *const *s, double *o);
typedef void (*fad_l1_fn)(fad_rule_fn rule, ptrdiff_t n, void *p, const void *g, void *const *s, double *o);
typedef struct { const char *name; fad_rule_fn step[FAD_COMPILED]; } fad_rule;

typedef struct { const char *data; const ptrdiff_t *strides; ptrdiff_t itemsize; } fad_operand;
/* out[...] = kernel(in[0][...], ...): every operand has `ndim` byte strides (0 to broadcast). */
typedef void fad_over_fn(fad_map_fn kernel, const double *param, int ndim, const ptrdiff_t *shape,
                         int n_in, const fad_operand *in, const fad_operand *out);
/* dst[...] = src[...], elements of one size (1, 2, 4, 8, 16, 32 bytes or any other). */
typedef void fad_copy_fn(int ndim, const ptrdiff_t *shape, const fad_operand *src, const fad_operand *dst);
/* float32 <-> float64 */
typedef void fad_cast_fn(ptrdiff_t n, int from, const void *src, int to, void *dst);

typedef struct {
    const char *isa;
    int wide;                                     /* bytes of a vector */
    const fad_row *rows;
    int n_rows;
    fad_reduce_fn sum[FAD_COMPILED], prod[FAD_COMPILED], max[FAD_COMPILED], min[FAD_COMPILED],
                  lse[FAD_COMPILED];
    fad_reduce_fn cumsum[FAD_COMPILED];           /* as long as x; `add`: from the other end */
    fad_position_fn argmax[FAD_COMPILED], argmin[FAD_COMPILED];
    fad_squares_fn squares[FAD_COMPILED];
    fad_rows_fn softmax[FAD_COMPILED], log_softmax[FAD_COMPILED];
    fad_rows_back_fn softmax_back[FAD_COMPILED], log_softmax_back[FAD_COMPILED];
    fad_xent_fn xent[FAD_COMPILED];
    fad_xent_back_fn xent_back[FAD_COMPILED];
    fad_gemm_fn gemm[FAD_COMPILED];
    fad_convolve_fn convolve[FAD_COMPILED];
    fad_correlate_fn correlate[FAD_COMPILED];
    fad_max_windows_fn max_windows[FAD_COMPILED];
    fad_max_windows_back_fn max_windows_back[FAD_COMPILED];
    fad_sum_windows_fn sum_windows[FAD_COMPILED];
    fad_lstm_fn lstm[FAD_COMPILED];
    fad_lstm_back_fn lstm_back[FAD_COMPILED];
    fad_gru_fn gru[FAD_COMPILED];
    fad_gru_back_fn gru_back[FAD_COMPILED];
    fad_group_norm_fn group_norm[FAD_COMPILED];
    fad_group_norm_back_fn group_norm_back[FAD_COMPILED];
    fad_batch_moments_fn batch_moments[FAD_COMPILED];
    fad_batch_against_fn batch_against[FAD_COMPILED];
    fad_batch_factors_fn batch_factors[FAD_COMPILED];
    fad_batch_slopes_fn batch_slopes[FAD_COMPILED];
    fad_batch_norm_fn batch_norm[FAD_COMPILED];
    fad_batch_norm_back_fn batch_norm_back[FAD_COMPILED];
    fad_attend_fn attend[FAD_COMPILED];
    fad_attend_back_fn attend_back[FAD_COMPILED];
    fad_drop_fn drop[FAD_COMPILED];
    const fad_rule *rules;                        /* up to one without a name */
    fad_l1_fn with_l1[FAD_COMPILED];
    fad_map_fn where[FAD_COMPILED];               /* in = {bool c, a, b} */
    fad_over_fn *map;                             /* map.c's */
    fad_copy_fn *copy;
    fad_cast_fn *cast;
    fad_below_fn *below;
} fad_kernels;

/* dispatch.c: the table for this processor, or for the instruction set named (NULL: the best one).
 * NULL if the name is unknown or the processor cannot run it. */
const fad_kernels *fad_select(const char *isa);
const char *fad_isa_list(void);                   /* the names, best first, separated by blanks */
#endif
