"""Build of the compiled core: the only place where extensions, compiler flags and directives stand.

FASTAD_DEBUG=1 builds with bounds checks, C assertions and symbols, and every array in memory of its own, so that an
address sanitizer sees all of them.  FASTAD_SANITIZE=address,undefined adds those sanitizers.  FASTAD_JOBS=2 builds two
modules at a time.  FASTAD_LEVELS=v3,v4 compiles the kernels for AVX-512 (v4) as well; otherwise v3 alone is added to the
baseline.
"""
import os
import platform
import sys
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("FASTAD_DEBUG", "") not in ("", "0")
SANITIZE = os.environ.get("FASTAD_SANITIZE", "")
JOBS = int(os.environ.get("FASTAD_JOBS", 0))
MSVC = sys.platform == "win32"
# macOS builds for the other processor by ARCHFLAGS
X86 = platform.machine().lower() in ("x86_64", "amd64") and "arm64" not in os.environ.get("ARCHFLAGS", "") and not MSVC

GCC = sys.platform == "linux" and "clang" not in os.environ.get("CC", "")

# no -march=native and no -ffast-math: NaN, infinities and denormals keep their meaning on every machine
# a*b + c may be one instruction: vmath.h is written so that its results hold either way
MATH = ["/O2"] if MSVC else ["-std=c99", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-D_GNU_SOURCE"]
DEBUGGING = ["-O0", "-g", "-UNDEBUG"]
# nothing is thrown through C: without the tables for it the wheel is a twentieth smaller
RELEASE = ["-g0", "-fno-asynchronous-unwind-tables"]
# nothing between functions, loops and jumps: it is executed, or mapped, for nothing
DENSE = [f"-fno-align-{what}" for what in ("functions", "loops", "jumps", "labels")] if GCC else []
# what is around the kernels has no loops to make vectors of, and calls Python's functions
GLUE = ["-fno-tree-slp-vectorize", "-fno-plt", *DENSE]
# what these passes add is mostly copies of code, a twentieth of it: the contract counts as many instructions without them
LEAN = ["-fno-gcse", "-fno-tree-pre", "-fno-schedule-insns2"]
LEANER = ["-fno-partial-inlining", *(["-freorder-blocks-algorithm=simple"] if GCC else [])]
# a new object is cleared by memset; inlined, gcc makes it `rep stos`, which costs more than the call
OPT = [] if MSVC else (DEBUGGING if DEBUG else ["-O2", *RELEASE, *GLUE, *LEAN, *LEANER]) + ["-fno-builtin-memset"]
# what is small work beside NumPy's or a kernel's: a third smaller in the wheel, and the contract holds
COLD = {"attention", "blas", "convolution", "custom", "einsum", "exchange", "extreme", "functions", "inplace", "join",
        "kernels", "loss", "normalisation", "optimizer", "part", "permute", "pooling", "recompute", "recurrent",
        "reduction", "select", "sequences", "shape", "softmax", "squares", "warp"}
SMALL = [] if MSVC or DEBUG else ["-Os"]
# Cython's own ways to raise an error, look up a global and read an int: they are written out wherever that is done
PLAIN = ("FAST_THREAD_STATE", "USE_DICT_VERSIONS", "USE_PYLONG_INTERNALS")
# threaded jumps and partial redundancies turn two selects on one value into branches: no loop around them is vectorised
KERNEL_OPT = ["-fno-thread-jumps", "-fno-tree-pre"]
KERNEL_OPT = [] if MSVC else DEBUGGING if DEBUG else ["-O2", "-ftree-vectorize", *RELEASE, *KERNEL_OPT]
# -O3 beside its vectors makes an eighth more code that is no faster; what is left over of a vector loop is done one by one:
# shorter vectors for it take another eighth
KERNEL_OPT += [] if MSVC or DEBUG or not GCC else [*DENSE, "-fvect-cost-model=dynamic", "--param=vect-epilogues-nomask=0"]
# what brings the operands to the kernels is small, and run for every operation
MAP_OPT = KERNEL_OPT + ([] if MSVC or DEBUG else ["-O3"])
# loops over pictures wait for memory, so they are compiled once, and without unrolling: a quarter of the size
IMAGE_OPT = [] if MSVC else (DEBUGGING if DEBUG else ["-O2", "-ftree-vectorize", *RELEASE])
IMAGE_OPT += [] if MSVC or DEBUG or not GCC else ["--param=vect-epilogues-nomask=0"]
SANITIZERS = [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer"] if SANITIZE else []
# fewer pages to map for each of so many modules
LINK = SANITIZERS + (["-Wl,-z,noseparate-code"] if sys.platform == "linux" else [])
WARN = [] if MSVC else ["-Wall", "-Wno-unused-function"]

# csrc/kernels.c and csrc/map.c are compiled once for each of these, and one is chosen when the library is loaded
LEVELS = {"baseline": []}
if X86:
    PEEL = [] if DEBUG else ["-fpeel-loops"]           # rows of ten numbers take 2 % less, for half a per cent of the wheel
    FLAGS = {"v3": ["-march=x86-64-v3", *PEEL], "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512", *PEEL]}
    WANTED = os.environ.get("FASTAD_LEVELS", "v3").replace(",", " ").split()
    if unknown := set(WANTED) - set(FLAGS) - set(LEVELS):
        raise SystemExit(f"FASTAD_LEVELS: no instruction set is named {', '.join(sorted(unknown))}; there are v3 and v4")
    LEVELS |= {level: flags for level, flags in FLAGS.items() if level in WANTED}
# objects and libraries of different builds must not meet: an old one of the other kind would pass for up to date
BUILD = "/".join(["build"] + ["debug"] * DEBUG + [SANITIZE.replace(",", "-")] * bool(SANITIZE)
                 + ["-".join(LEVELS)] * ("FASTAD_LEVELS" in os.environ))

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG, "wraparound": False, "initializedcheck": DEBUG, "nonecheck": DEBUG,
    "cdivision": True, "embedsignature": True, "embedsignature.format": "clinic", "c_api_binop_methods": True,
    "auto_pickle": False, "autotestdict": False, "binding": False,
}
# A function that is also a method of Tensor binds to it, as Python's do.  Other modules do without: their functions are
# builtins, smaller and faster to import, and the methods of their types check the type of `self`.
BINDING = {"exchange", "extreme", "functions", "index", "inplace", "join", "matmul", "part", "permute", "reduction",
           "select", "shape", "softmax"}
# what Cython would put into every module otherwise; Cython writes its source
SHARED = Extension("fastad._core.shared", [], extra_compile_args=OPT + SMALL + SANITIZERS, extra_link_args=LINK)
MODULES = sorted(Path("fastad/_core").rglob("*.pyx"))


def extension(path):
    name = ".".join(path.with_suffix("").parts)
    macros = [("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"), ("NPY_TARGET_VERSION", "NPY_2_0_API_VERSION"),
              ("FASTAD_DEBUG", str(int(DEBUG))),
              ("CYTHON_COMPRESS_STRINGS", "0"),            # the wheel is compressed
              ("CYTHON_UNPACK_METHODS", "0")]              # a method is called by Python's own way
    if path.stem in COLD:
        macros += [(f"CYTHON_{way}", "0") for way in PLAIN]
    if DEBUG:
        macros.append(("CYTHON_USE_FREELISTS", "0"))       # a freed object is freed
    sources = [str(path)]
    if path.stem == "kernels":
        sources += ["csrc/dispatch.c", "csrc/share.c"]
        macros += [(f"FAD_LEVEL_{level}", "1") for level in LEVELS]
    libraries, link = [], LINK
    if path.stem == "kernels" and not MSVC:
        link = [*LINK, "-pthread"]
    if path.stem == "blas":
        sources.append("csrc/blas.c")
        libraries = ["dl"] if sys.platform == "linux" else []
    headers = [*Path("csrc").iterdir(), *Path("fastad/include").iterdir()]
    return Extension(name, sources, include_dirs=["csrc", "fastad/include", numpy.get_include()], define_macros=macros,
                     libraries=libraries, depends=sorted(map(str, headers)),
                     extra_compile_args=OPT + (SMALL if path.stem in COLD else []) + WARN + SANITIZERS,
                     extra_link_args=link)


def translated(extensions, **directives):
    modules = cythonize(extensions, compiler_directives=DIRECTIVES | directives, build_dir=f"{BUILD}/cython", nthreads=JOBS,
                        emit_linenums=DEBUG, shared_utility_qualified_name=SHARED.name,
                        shared_utility_features_disabled={"MemoryView"})
    for module in modules:
        mend(Path(module.sources[0]))
    return modules


def mend(source):
    """In Cython 3.3.0 and 3.3.1, `[f(x) for x in y]` frees an item twice if there is no memory for the list to grow."""
    text = source.read_text()
    append = "int result = PyList_Append(list, x);\n    "
    mended = text.replace(f"{append}Py_DECREF(x);", f"{append}if (result == 0) Py_DECREF(x);")
    if mended != text:
        source.write_text(mended)


class BuildLevels(build_ext):
    """Compiles csrc/kernels.c and map.c once per instruction set and links the objects into ``_core.kernels``; image.c once,
    with the flags of loops, for ``_core.primitives.warp``."""

    def objects(self, source, folder, flags, macros=()):
        """What a file of csrc is compiled to."""
        return self.compiler.compile([f"csrc/{source}.c"], output_dir=os.path.join(self.build_temp, folder),
                                     include_dirs=["csrc"], macros=list(macros),
                                     extra_postargs=MATH + flags + WARN + SANITIZERS,
                                     depends=[str(p) for p in Path("csrc").iterdir()])

    def build_extension(self, ext):
        if ext.name.endswith("._core.kernels"):
            ext.extra_objects = []
            for level, flags in LEVELS.items():
                for source, flags_of in (("kernels", KERNEL_OPT), ("map", MAP_OPT)):
                    ext.extra_objects += self.objects(source, level, flags_of + flags, [("FAD_ISA", level)])
        elif ext.name.endswith(".warp"):
            ext.extra_objects = self.objects("image", "image", IMAGE_OPT)
        super().build_extension(ext)

    def run(self):
        try:
            super().run()
        except Exception as error:
            if "CompileError" in type(error).__name__ or "command" in str(error):
                sys.stderr.write("\nfastad: building the compiled core failed. A C compiler (gcc or clang) and "
                                 "Python's headers are needed, e.g. the Debian packages gcc, libc6-dev and "
                                 "python3-dev.\n\n")
            raise


if __name__ == "__main__":
    setup(
        ext_modules=translated([SHARED] + [extension(p) for p in MODULES if p.stem not in BINDING])
        + translated([extension(p) for p in MODULES if p.stem in BINDING], binding=True),
        cmdclass={"build_ext": BuildLevels},
        options={"build": {"build_base": BUILD}, "build_ext": {"parallel": JOBS or None}},
    )
