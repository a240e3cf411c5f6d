"""Level 4: the parts of complex numbers: real, imag, conj, angle and, for `abs`, the absolute value.

A cotangent g of z stands for the change Re(sum g dz), without conjugation, as in HIPS/autograd.  So a holomorphic function
has the rule of the real one; a real value with dy = Re(w dz) gives z the cotangent g w and has the tangent Re(w t); and conj
conjugates both.  Imports make and elementwise.  Next: join.pyx.
"""
import numpy as np

from ..make import Rule, as_tensors, from_numpy
from ..tensor import FUNCTIONS, install, numbers, register
from .elementwise import COMPLEX_FORMS


class RealValue(Rule):
    """A real y of a complex z, dy = Re(w dz), where w is `weight` of what `keep` names."""

    def __init__(self, name, value, weight=None, keep=()):
        super().__init__(name)
        self.value, self.weight, self.keep = value, weight, keep

    def of(self, z):
        y, = self.apply(self.value, [z], None, self.keep)
        return y

    def weighted(self, saved, t):
        return t if self.weight is None else t * self.weight(*saved)

    def vjp(self, node, saved, g):
        return (self.weighted(saved, g),)

    def jvp(self, node, saved, tangents):
        return real(self.weighted(saved, tangents[0]))


class Conjugate(Rule):
    def vjp(self, node, saved, g):
        return (conj(g),)

    def jvp(self, node, saved, tangents):
        return conj(tangents[0])


def direction(z, y):
    """conj(z) / abs(z), and 0 at 0, as `abs` of real numbers has it."""
    zero = numbers(y) == 0
    return conj(z) / y if not zero.any() else FUNCTIONS["where"](zero, 0, conj(z) / FUNCTIONS["where"](zero, 1, y))


REAL = RealValue("real", lambda z: z.real.copy())
IMAG = RealValue("imag", lambda z: z.imag.copy(), lambda: -1j)
ABSOLUTE = RealValue("absolute", np.abs, direction, (0, ~0))
ANGLE = RealValue("angle", np.angle, lambda z: -1j / z, (0,))
CONJ = Conjugate("conj")


def real(val):
    """The real part, of the real dtype that goes with a complex one; real numbers as they are.

    The derivative of a complex argument is that of autograd's convention: ``vjp(g) = g``, ``jvp(t) = real(t)``.

    Examples
    --------
    >>> import fastad
    >>> fastad.real(fastad.tensor([1 + 2j, 3.0]))
    tensor([1., 3.])
    >>> fastad.grad(lambda z: (z.conj() * z).real)(3 + 4j)
    np.complex128(6-8j)
    """
    val, = as_tensors(val)
    return REAL.of(val) if val.dtype.kind == "c" else val


def imag(val):
    """The imaginary part, of the real dtype that goes with a complex one; zeros, without derivative, of real numbers.

    ``vjp(g) = -1j * g``, ``jvp(t) = imag(t)``.

    Examples
    --------
    >>> import fastad
    >>> fastad.imag(fastad.tensor([1 + 2j, 3.0]))
    tensor([2., 0.])
    >>> fastad.jvp(fastad.imag, 1 + 2j, 3 + 4j)
    (np.float64(2.0), np.float64(4.0))
    """
    val, = as_tensors(val)
    return IMAG.of(val) if val.dtype.kind == "c" else FUNCTIONS["zeros_like"](val)


def conj(x, /):
    """The complex conjugate, a copy; also called ``conjugate``.

    It is not holomorphic: ``vjp(g) = conj(g)``, ``jvp(t) = conj(t)``.

    Examples
    --------
    >>> import fastad
    >>> fastad.conj(fastad.tensor([1 + 2j]))
    tensor([1.-2.j], dtype=complex128)
    """
    x, = as_tensors(x)
    return CONJ.apply(np.conjugate, [x])[0] if x.dtype.kind == "c" else FUNCTIONS["copy"](x)


def angle(z, deg=False):
    """The angle of a complex number from the positive real axis, in (-pi, pi]; if `deg`, in degrees.

    ``vjp(g) = -1j * g / z``, ``jvp(t) = imag(t / z)``; at 0 there is no derivative, and these are NaN.  Of real numbers it
    is 0 or pi, without derivative.

    Examples
    --------
    >>> import fastad
    >>> fastad.angle(fastad.tensor([1j, -1.0]), deg=True)
    tensor([ 90., 180.])
    """
    z, = as_tensors(z)
    y = ANGLE.of(z) if z.dtype.kind == "c" else from_numpy(np.asarray(np.angle(numbers(z))))
    return y * (180 / np.pi) if deg else y


register("real", real)
register("imag", imag)
register("angle", angle)
register("conj", conj, method=True, ufunc=np.conjugate)
register("conjugate", conj, method=True)
install("real", property(real, doc="The real part; see `fastad.real`."))
install("imag", property(imag, doc="The imaginary part; see `fastad.imag`."))
COMPLEX_FORMS["abs"] = ABSOLUTE.of
PRIMITIVES = {p.name: p for p in (REAL, IMAG, ABSOLUTE, ANGLE, CONJ)}
