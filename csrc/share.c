/* share.c: threads that wait for long work.  See share.h.
 *
 * Work is cut into a few more parts than there are threads; whoever is free takes the next one, the caller too.  A thread
 * that wakes late costs nothing: the caller does not wait for it to come, only for parts that it has begun.  While one call
 * is shared, others run in their own thread alone, so work of many Python threads does not multiply its threads. */
#include "share.h"

typedef struct {
    fad_rows_part_fn run;
    const void *work;
    int n;
    const fad_line *lines;
} rows;

static void rows_part(const void *what, ptrdiff_t start, ptrdiff_t stop)
{
    const rows *r = what;
    fad_line lines[FAD_LINES];
    for (int k = 0; k < r->n; k++) {
        lines[k] = r->lines[k];
        if (lines[k].at != NULL) lines[k].at += start * lines[k].step;
    }
    r->run(r->work, stop - start, lines);
}

void fad_share_rows(fad_rows_part_fn run, const void *work, ptrdiff_t n_rows, ptrdiff_t least, int n, const fad_line *lines)
{
    const rows r = { run, work, n, lines };
    fad_share(rows_part, &r, n_rows, least);
}

#if defined(_WIN32)
void fad_share_among(int threads) { (void)threads; }
void fad_share(fad_part_fn part, const void *work, ptrdiff_t n, ptrdiff_t least) { (void)least; part(work, 0, n); }
#else
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#if defined(__x86_64__) || defined(__i386__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("yield")
#else
#define PAUSE() ((void)0)
#endif

/* parts for each thread; where parts of very many begin; how often to look before one sleeps, some 50 us: to wake takes as
 * long, and the next work is often there by then; bytes of a thread's stack, which some systems make too small for a BLAS */
enum { PARTS = 4, ROUND = 64, LOOKS = 2000, STACK = 8 << 20 };

static struct {
    fad_part_fn part;
    const void *work;
    ptrdiff_t n, parts, next;                    /* parts: how many, and the first that nobody has taken */
    _Atomic ptrdiff_t left;                      /* those not done */
    int helpers;                                 /* how many threads may help with this work */
} job;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;         /* of all that stands here */
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static pthread_t helpers[FAD_THREADS];
static _Atomic unsigned turn;                    /* counts what may be news for those who wait */
static int allowed = 1, started, busy, ending, watches_fork;

/* elements in whole vectors */
static ptrdiff_t bound(ptrdiff_t i)
{
    const ptrdiff_t each = job.n / job.parts, more = job.n % job.parts, at = i * each + (i < more ? i : more);
    return i < job.parts && each >= ROUND * ROUND ? at / ROUND * ROUND : at;
}

static void take_parts(void)
{
    while (job.next < job.parts) {
        const ptrdiff_t i = job.next++, start = bound(i), stop = bound(i + 1);
        const fad_part_fn part = job.part;
        const void *work = job.work;
        pthread_mutex_unlock(&lock);
        part(work, start, stop);
        pthread_mutex_lock(&lock);
        if (--job.left == 0) pthread_cond_broadcast(&done);
    }
}

static void *help(void *number)
{
    const int mine = (int)(ptrdiff_t)number;
    pthread_mutex_lock(&lock);
    while (!ending) {
        const unsigned seen = turn;
        if (mine < job.helpers) take_parts();
        pthread_mutex_unlock(&lock);
        for (int i = 0; i < LOOKS && turn == seen; i++) PAUSE();
        pthread_mutex_lock(&lock);
        while (turn == seen) pthread_cond_wait(&wake, &lock);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* A fork copies one thread: so the others end before it, once shared work is done, and begin again when there is more. */
static void before_fork(void)
{
    pthread_mutex_lock(&lock);
    while (busy) pthread_cond_wait(&done, &lock);
    busy = ending = 1;
    turn++;
    pthread_cond_broadcast(&wake);
    pthread_mutex_unlock(&lock);
    for (; started > 0; started--) pthread_join(helpers[started - 1], NULL);
    pthread_mutex_lock(&lock);
    busy = ending = 0;
}

static void in_parent(void)
{
    pthread_cond_broadcast(&done);
    pthread_mutex_unlock(&lock);
}

static void in_child(void)
{
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&wake, NULL);
    pthread_cond_init(&done, NULL);
}

/* Threads up to so many; fewer if the system has no more.  Signals stay the caller's: Python handles them. */
static void start(int wanted)
{
    sigset_t all, before;
    pthread_attr_t how;
    if (started >= wanted || pthread_attr_init(&how) != 0) return;
    pthread_attr_setstacksize(&how, STACK);
    sigfillset(&all);
    for (int i = 0; i < 4; i++) sigdelset(&all, (int[]){ SIGSEGV, SIGBUS, SIGFPE, SIGILL }[i]);      /* faulthandler's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; started < wanted; started++)
        if (pthread_create(&helpers[started], &how, help, (void *)(ptrdiff_t)started) != 0) break;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&how);
}

void fad_share_among(int threads)
{
    pthread_mutex_lock(&lock);
    if (!watches_fork) watches_fork = pthread_atfork(before_fork, in_parent, in_child) == 0;
    allowed = watches_fork ? threads : 1;
    pthread_mutex_unlock(&lock);
}

void fad_share(fad_part_fn part, const void *work, ptrdiff_t n, ptrdiff_t least)
{
    ptrdiff_t parts = n / least;
    if (parts < 2) { part(work, 0, n); return; }
    pthread_mutex_lock(&lock);
    if (busy || allowed < 2) {
        pthread_mutex_unlock(&lock);
        part(work, 0, n);
        return;
    }
    busy = 1;
    if (parts > PARTS * allowed) parts = PARTS * allowed;
    job.part = part;
    job.work = work;
    job.n = n;
    job.parts = parts;
    job.left = parts;
    job.next = 0;
    job.helpers = allowed - 1;
    turn++;
    start(job.helpers);
    pthread_cond_broadcast(&wake);
    take_parts();
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < LOOKS && job.left > 0; i++) PAUSE();
    pthread_mutex_lock(&lock);
    while (job.left > 0) pthread_cond_wait(&done, &lock);
    busy = job.helpers = 0;
    pthread_cond_broadcast(&done);               /* a fork may wait for the end */
    pthread_mutex_unlock(&lock);
}
#endif
