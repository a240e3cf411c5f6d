/* dispatch.c: which of the compiled instruction sets this processor runs. */
#include "kernels.h"
#include <string.h>

extern const fad_kernels fad_kernels_baseline;

#if defined(FAD_LEVEL_v3) || defined(FAD_LEVEL_v4)      /* set by setup.py for those that it builds */
extern const fad_kernels fad_kernels_v3, fad_kernels_v4;

static int has_v3(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
        && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

#if defined(FAD_LEVEL_v4)
static int has_v4(void)
{
    return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq")
        && __builtin_cpu_supports("avx512vl");
}
#endif
#endif

const fad_kernels *fad_select(const char *isa)
{
#if defined(FAD_LEVEL_v4)
    if ((!isa || !strcmp(isa, "v4")) && has_v4()) return &fad_kernels_v4;
#endif
#if defined(FAD_LEVEL_v3)
    if ((!isa || !strcmp(isa, "v3")) && has_v3()) return &fad_kernels_v3;
#endif
    if (!isa || !strcmp(isa, "baseline")) return &fad_kernels_baseline;
    return NULL;
}

const char *fad_isa_list(void)
{
    return ""
#if defined(FAD_LEVEL_v4)
        "v4 "
#endif
#if defined(FAD_LEVEL_v3)
        "v3 "
#endif
        "baseline";
}
