/* image.h: what Cython sees of image.c: resampling pictures and blending them. */
#ifndef FAD_IMAGE_H
#define FAD_IMAGE_H
#include <stddef.h>

enum { FAD_CONSTANT, FAD_EDGE, FAD_REFLECT };              /* what lies beyond a picture's edges */
enum { FAD_MATRIX, FAD_FIELD, FAD_LENS, FAD_LENS_LENGTH = 15 };
enum { FAD_PLAIN, FAD_MEAN, FAD_LUMA, FAD_OTHER };         /* what a picture is blended with */
enum { FAD_PICTURES = 3 };                                 /* dtypes: float32, float64, uint8 */

typedef struct {
    ptrdiff_t c, h, w;        /* a picture: channels, rows, columns */
    ptrdiff_t ho, wo;         /* the result's rows and columns */
    int mode, antialias;
    int kind;                 /* of the map */
    double fill;              /* beyond the edges, if the mode is FAD_CONSTANT */
} fad_warp;

/* One picture (c, h, w) at the places that `map` names: out (c, ho, wo).  A matrix (2, 3) takes a row and a column of the
 * result, and 1, to a row and a column of x; a field (2, ho, wo) holds them.  A lens is a matrix, which is applied last, another,
 * which is applied first, and between them a centre c and a number k: p becomes c + (p - c) (1 + k |p - c|^2). */
typedef void fad_warp_fn(const fad_warp *s, const double *map, const void *x, void *out, void *work);
/* Its transpose: adds to dx (c, h, w). */
typedef void fad_spread_fn(const fad_warp *s, const double *map, const void *g, void *dx, void *work);
/* f x + (1 - f) y, of c channels of n pixels; y is 0, x's mean luma, its luma pixel by pixel, or another picture. */
typedef void fad_blend_fn(int kind, ptrdiff_t c, ptrdiff_t n, double f, const void *x, const void *other, void *out);

size_t fad_warp_work(const fad_warp *s, const double *map, int back);    /* bytes of `work`, 0 where it may be NULL */
extern fad_warp_fn *const fad_warps[FAD_PICTURES];
extern fad_spread_fn *const fad_spreads[2];
extern fad_blend_fn *const fad_blends[FAD_PICTURES];
#endif
