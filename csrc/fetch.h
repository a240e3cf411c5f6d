/* fetch.h: rows of an array by number, as indices and loaders of data ask for them. */
#ifndef FAD_FETCH_H
#define FAD_FETCH_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) || defined(__clang__)
#define FAD_FETCH(p) __builtin_prefetch(p)
#else
#define FAD_FETCH(p) ((void)(p))
#endif
enum { FAD_AHEAD = 2, FAD_LINE = 64, FAD_FIRST = 512 };
static void fad_fetch(const char *row, size_t nbytes)
{
    size_t k;
    for (k = 0; k < nbytes && k < FAD_FIRST; k += FAD_LINE) FAD_FETCH(row + k);
}
static ptrdiff_t fad_place(int64_t i, ptrdiff_t n) { return i >= n || i < -n ? -1 : i < 0 ? i + n : i; }
/* out[i] = x[at[i]], rows of so many bytes that begin `stride` bytes apart; the number of rows, or where in `at` a number
 * is out of bounds.  Rows lie anywhere in memory: the first lines of one are asked for while another is copied, and from
 * those the processor guesses the others. */
static ptrdiff_t fad_read_rows(const int64_t *at, ptrdiff_t count, const char *x, ptrdiff_t n, ptrdiff_t stride,
                               size_t nbytes, char *out)
{
    ptrdiff_t i, k;
    for (i = 0; i < count; i++) {
        if ((k = fad_place(at[i], n)) < 0) return i;
        if (nbytes == 4) memcpy(out + 4 * i, x + k * stride, 4);          /* labels: no call for each */
        else if (nbytes == 8) memcpy(out + 8 * i, x + k * stride, 8);
        else {
            ptrdiff_t next = i + FAD_AHEAD < count ? fad_place(at[i + FAD_AHEAD], n) : -1;
            if (next >= 0) fad_fetch(x + next * stride, nbytes);
            memcpy(out + i * nbytes, x + k * stride, nbytes);
        }
    }
    return count;
}
#endif
