# kernels.pxd (level 0): the table of C kernels (csrc/kernels.h) as the other modules see it.
from libc.stdint cimport int64_t

cdef extern from "kernels.h" nogil:
    enum:
        FAD_A, FAD_X, FAD_B, FAD_Y
        FAD_MAX_OPERANDS
    ctypedef void (*fad_map_fn)(Py_ssize_t n, const void** args, void* out, const double* param) noexcept nogil
    ctypedef struct fad_row:
        const char* name
        const char* value
        const char* vjp[2]
        int needs[2]
        int arity, n_params
        double lo, hi
        fad_map_fn forward[2]
        fad_map_fn backward[2][2][2]
    ctypedef void (*fad_reduce_fn)(Py_ssize_t outer, Py_ssize_t r, Py_ssize_t inner,
                                   const void* x, void* out, int add) noexcept nogil
    ctypedef void (*fad_position_fn)(Py_ssize_t outer, Py_ssize_t r, Py_ssize_t inner, const void* x,
                                     int64_t* out) noexcept nogil
    ctypedef void (*fad_squares_fn)(Py_ssize_t outer, Py_ssize_t r, Py_ssize_t inner, const void* x, const void* about,
                                    void* out) noexcept nogil
    ctypedef void (*fad_rows_fn)(Py_ssize_t rows, Py_ssize_t n, const void* x, void* out) noexcept nogil
    ctypedef void (*fad_rows_back_fn)(Py_ssize_t rows, Py_ssize_t n, const void* g, const void* y,
                                      void* out, int add) noexcept nogil
    ctypedef void (*fad_xent_fn)(Py_ssize_t rows, Py_ssize_t n, const void* x, const int64_t* target,
                                 void* kept, void* loss) noexcept nogil
    ctypedef void (*fad_xent_back_fn)(Py_ssize_t rows, Py_ssize_t n, const void* x, const int64_t* target,
                                      const void* kept, const void* g, void* out, int add) noexcept nogil
    ctypedef void (*fad_gemm_fn)(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
                                 const void* a, Py_ssize_t ars, Py_ssize_t acs,
                                 const void* b, Py_ssize_t brs, Py_ssize_t bcs,
                                 void* c, Py_ssize_t ldc, int add) noexcept nogil
    ctypedef void (*fad_convolve_fn)(Py_ssize_t k, const void* w, const void* x, const Py_ssize_t* off, const void* bias,
                                     Py_ssize_t rows, Py_ssize_t n, void* c, Py_ssize_t ldc) noexcept nogil
    ctypedef void (*fad_correlate_fn)(Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t line, Py_ssize_t k, const void* x,
                                      const Py_ssize_t* off, const void* g, Py_ssize_t ldg, void* dw) noexcept nogil
    ctypedef struct fad_windows:
        Py_ssize_t height, width, rows, cols
        Py_ssize_t kernel[2]
        Py_ssize_t stride[2]
        Py_ssize_t pad[2]
        Py_ssize_t dilation[2]
    ctypedef void (*fad_max_windows_fn)(const fad_windows* q, Py_ssize_t planes, const void* x, void* y,
                                        void* where) noexcept nogil
    ctypedef void (*fad_max_windows_back_fn)(Py_ssize_t planes, Py_ssize_t n, Py_ssize_t size, const void* g,
                                             const void* where, void* dx) noexcept nogil
    ctypedef void (*fad_sum_windows_fn)(const fad_windows* q, Py_ssize_t planes, void* images, void* sums,
                                        int back) noexcept nogil
    ctypedef void (*fad_lstm_fn)(Py_ssize_t rows, Py_ssize_t h, void* gates, const void* before, void* c,
                                 void* y) noexcept nogil
    ctypedef void (*fad_lstm_back_fn)(Py_ssize_t rows, Py_ssize_t h, const void* gates, const void* before, const void* c,
                                      const void* g, const void* dh, void* dc, void* d) noexcept nogil
    ctypedef void (*fad_gru_fn)(Py_ssize_t rows, Py_ssize_t h, void* gates, const void* states, const void* before,
                                void* kept, void* y) noexcept nogil
    ctypedef void (*fad_gru_back_fn)(Py_ssize_t rows, Py_ssize_t h, const void* gates, const void* kept, const void* before,
                                     const void* g, void* dh, void* d, void* e) noexcept nogil
    ctypedef struct fad_norm:
        Py_ssize_t n, c, l, groups
        double eps
        int centred
    ctypedef void (*fad_group_norm_fn)(const fad_norm* o, const void* x, const void* w, const void* b, void* stats,
                                       void* y) noexcept nogil
    ctypedef void (*fad_group_norm_back_fn)(const fad_norm* o, const void* g, const void* x, const void* w, const void* stats,
                                            void* part, void* dx) noexcept nogil
    ctypedef void (*fad_batch_moments_fn)(const fad_norm* o, Py_ssize_t some, const void* x, void* stats) noexcept nogil
    ctypedef void (*fad_batch_against_fn)(const fad_norm* o, Py_ssize_t some, const void* g, const void* x, const void* m, void* a,
                                          void* b) noexcept nogil
    ctypedef void (*fad_batch_factors_fn)(const fad_norm* o, const void* w, const void* b, const void* stats,
                                          void* work) noexcept nogil
    ctypedef void (*fad_batch_slopes_fn)(const fad_norm* o, const void* w, const void* stats, int fixed, void* work, void* dw,
                                         void* db) noexcept nogil
    ctypedef void (*fad_batch_norm_fn)(const fad_norm* o, Py_ssize_t some, const void* x, const void* stats, const void* work,
                                       void* y) noexcept nogil
    ctypedef void (*fad_batch_norm_back_fn)(const fad_norm* o, Py_ssize_t some, const void* g, const void* x, const void* m,
                                            const void* work, void* dx) noexcept nogil
    ctypedef void (*fad_attend_fn)(Py_ssize_t rows, Py_ssize_t n, double scale, const void* mask, Py_ssize_t step, int causal,
                                   void* s) noexcept nogil
    ctypedef void (*fad_attend_back_fn)(Py_ssize_t rows, Py_ssize_t n, double scale, const void* p, void* d) noexcept nogil
    ctypedef void (*fad_drop_fn)(Py_ssize_t n, const void* x, const void* kept, double scale, void* out) noexcept nogil
    enum:
        FAD_STEP, FAD_KEPT, FAD_KEEP, FAD_L1, FAD_LR, FAD_OPTIONS, FAD_STATES
    ctypedef void (*fad_rule_fn)(Py_ssize_t n, void* p, const void* g, void** s, double* o) noexcept nogil
    ctypedef void (*fad_l1_fn)(fad_rule_fn rule, Py_ssize_t n, void* p, const void* g, void** s, double* o) noexcept nogil
    ctypedef struct fad_rule:
        const char* name
        fad_rule_fn step[2]
    ctypedef struct fad_operand:
        const char* data
        const Py_ssize_t* strides
        Py_ssize_t itemsize
    ctypedef struct fad_kernels:
        const char* isa
        int wide
        const fad_row* rows
        int n_rows
        fad_reduce_fn sum[2]
        fad_reduce_fn prod[2]
        fad_reduce_fn max[2]
        fad_reduce_fn min[2]
        fad_reduce_fn lse[2]
        fad_reduce_fn cumsum[2]
        fad_position_fn argmax[2]
        fad_position_fn argmin[2]
        fad_squares_fn squares[2]
        fad_rows_fn softmax[2]
        fad_rows_fn log_softmax[2]
        fad_rows_back_fn softmax_back[2]
        fad_rows_back_fn log_softmax_back[2]
        fad_xent_fn xent[2]
        fad_xent_back_fn xent_back[2]
        fad_gemm_fn gemm[2]
        fad_convolve_fn convolve[2]
        fad_correlate_fn correlate[2]
        fad_max_windows_fn max_windows[2]
        fad_max_windows_back_fn max_windows_back[2]
        fad_sum_windows_fn sum_windows[2]
        fad_lstm_fn lstm[2]
        fad_lstm_back_fn lstm_back[2]
        fad_gru_fn gru[2]
        fad_gru_back_fn gru_back[2]
        fad_group_norm_fn group_norm[2]
        fad_group_norm_back_fn group_norm_back[2]
        fad_batch_moments_fn batch_moments[2]
        fad_batch_against_fn batch_against[2]
        fad_batch_factors_fn batch_factors[2]
        fad_batch_slopes_fn batch_slopes[2]
        fad_batch_norm_fn batch_norm[2]
        fad_batch_norm_back_fn batch_norm_back[2]
        fad_attend_fn attend[2]
        fad_attend_back_fn attend_back[2]
        fad_drop_fn drop[2]
        const fad_rule* rules
        fad_l1_fn with_l1[2]
        fad_map_fn where[2]
        void (*map)(fad_map_fn, const double*, int, const Py_ssize_t*, int, const fad_operand*,
                    const fad_operand*) noexcept nogil
        void (*copy)(int, const Py_ssize_t*, const fad_operand*, const fad_operand*) noexcept nogil
        void (*cast)(Py_ssize_t, int, const void*, int, void*) noexcept nogil
        void (*below)(Py_ssize_t n, const unsigned char* bits, unsigned char limit, unsigned char* kept) noexcept nogil

cdef extern from "share.h" nogil:
    enum:
        FAD_LINES
    ctypedef void (*fad_part_fn)(const void* work, Py_ssize_t start, Py_ssize_t stop) noexcept nogil
    ctypedef struct fad_line:
        char* at
        Py_ssize_t step
    ctypedef void (*fad_rows_part_fn)(const void* work, Py_ssize_t rows, const fad_line* lines) noexcept nogil

cdef enum:
    PART = 1 << 17                        # elements: so much work is worth a thread, at some 0.2 ns for each,
    FUNCTION = 4                          # and one whose exponential is taken counts as so many

# Long work in parts, by as many threads as may be used; see csrc/share.h.  A row is as much work as so many elements.
cdef void share(fad_part_fn part, const void* work, Py_ssize_t n, double elements) noexcept nogil
cdef void share_rows(fad_rows_part_fn run, const void* work, Py_ssize_t rows, double elements, int n,
                     const fad_line* lines) noexcept nogil

# As many parts, of at most n, as are worth a thread each: for work that needs memory of its own in each.
cdef Py_ssize_t parts_of(Py_ssize_t n, double elements) noexcept nogil

# The table in use; set once, when the module is imported.
cdef const fad_kernels* K

# A row of the elementwise table.
cdef const fad_row* row_named(str name) except NULL
