"""Builds the one extension module; all that fastad adds is the folder of its header."""
from Cython.Build import cythonize
from setuptools import Extension, setup

import fastad

setup(ext_modules=cythonize([Extension("lennard_jones", ["lennard_jones.pyx"], include_dirs=[fastad.get_include()])],
                            language_level=3))
