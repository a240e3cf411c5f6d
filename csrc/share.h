/* share.h: long work done by several threads, in parts. */
#ifndef FAD_SHARE_H
#define FAD_SHARE_H
#include <stddef.h>

/* The part of `work` from `start` to before `stop`.  Runs in any thread, so it may touch nothing of Python's. */
typedef void (*fad_part_fn)(const void *work, ptrdiff_t start, ptrdiff_t stop);

/* All parts from 0 to n, each of at least `least`; returns when the last is done.  Where parts begin must not change what is
 * computed: results do not depend on the number of threads. */
void fad_share(fad_part_fn part, const void *work, ptrdiff_t n, ptrdiff_t least);

/* The same for a kernel of rows: memory in which a row begins `step` bytes after the one before, moved to a part's first row.
 * What is NULL stays NULL. */
enum { FAD_LINES = 8 };
typedef struct { char *at; ptrdiff_t step; } fad_line;
typedef void (*fad_rows_part_fn)(const void *work, ptrdiff_t rows, const fad_line *lines);
void fad_share_rows(fad_rows_part_fn run, const void *work, ptrdiff_t rows, ptrdiff_t least, int n, const fad_line *lines);

/* At most so many threads, the caller's among them, from 1 to FAD_THREADS; to be called before there is work to share. */
enum { FAD_THREADS = 256 };
void fad_share_among(int threads);
#endif
