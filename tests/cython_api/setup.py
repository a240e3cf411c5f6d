"""Builds probe.pyx in place, for test_cython_api.py."""
from Cython.Build import cythonize
from setuptools import Extension, setup

import fastad

setup(ext_modules=cythonize([Extension("probe", ["probe.pyx"], include_dirs=[fastad.get_include()])], language_level=3))
