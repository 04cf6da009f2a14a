"""What a checked program may name: syntax, builtins, modules, attributes; all that is not here is refused."""

from __future__ import annotations

import ast


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


BUILTINS = _words(
    "abs all any bool dict enumerate float int isinstance len list map max min pow range reversed round set sorted str sum "
    "tuple zip ValueError AssertionError"
)

# Attributes of NumPy that neither reach files, memory or the interpreter nor change NumPy itself
NUMPY = _words(
    "abs absolute add all allclose amax amin any append arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh "
    "argmax argmin argsort around array array_equal asarray ascontiguousarray atleast_1d atleast_2d average bool_ "
    "broadcast_to cbrt ceil clip column_stack concatenate copy copysign cos cosh count_nonzero cross cumprod cumsum "
    "deg2rad degrees diag diff divide dot dstack e einsum equal euler_gamma exp exp2 expand_dims expm1 eye fabs finfo "
    "flip float16 float32 float64 floor floor_divide fmax fmin fmod full full_like gradient greater greater_equal "
    "heaviside hsplit hstack hypot identity iinfo inf inner int32 int64 integer interp invert isclose isfinite isinf "
    "isnan kron less less_equal linalg linspace log log10 log1p log2 logaddexp logical_and logical_not logical_or "
    "logical_xor matmul max maximum mean median min minimum mod moveaxis multiply nan nan_to_num nanmax nanmean "
    "nanmin nansum ndarray negative newaxis norm not_equal number ones ones_like outer percentile pi piecewise polyval "
    "positive power prod ptp quantile rad2deg radians ravel real reciprocal remainder repeat reshape roll round "
    "select sign sin sinc sinh size split sqrt square squeeze stack std subtract sum swapaxes take take_along_axis tan "
    "tanh tensordot tile trace transpose tri tril triu true_divide trunc unwrap var vdot vstack where zeros zeros_like"
)
LINALG = _words("cross det dot inv matmul norm outer trace vector_norm")
MATH = _words(
    "acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh degrees dist e erf exp expm1 fabs floor fmod "
    "hypot inf isclose isfinite isinf isnan log log10 log1p log2 nan pi pow radians sin sinh sqrt tan tanh tau trunc"
)
# Methods of arrays, dicts and lists; strings have none, because their `format` reads attributes by name
METHODS = _words(
    "T all any append argmax argmin argsort astype clip copy cumprod cumsum dot dtype eps extend flatten get items keys max "
    "mean min ndim prod ravel repeat reshape round setdefault shape size squeeze std sum swapaxes take tiny transpose "
    "update values var"
)
OF_MODULES = {"np": NUMPY, "numpy": NUMPY, "math": MATH, "linalg": LINALG}
IMPORTS = {
    "numpy": frozenset(), "math": MATH, "__future__": frozenset({"annotations"}),
    "typing": _words(
    "Any Dict List Mapping Optional Sequence Tuple Union"
),
    "collections.abc": frozenset({"Mapping", "Sequence"}),
}  # fmt: skip
ALIASES = {"numpy": ("np", "numpy"), "math": ("math",)}  # what `import` may call them

SYNTAX = (
    ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.For,
    ast.If, ast.Assert, ast.Raise, ast.Expr, ast.Pass, ast.Break, ast.Continue, ast.Import, ast.ImportFrom, ast.alias,
    ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Lambda, ast.IfExp, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp,
    ast.GeneratorExp, ast.comprehension, ast.Compare, ast.Call, ast.keyword, ast.JoinedStr, ast.FormattedValue,
    ast.Constant, ast.Attribute, ast.Subscript, ast.Slice, ast.Starred, ast.Name, ast.List, ast.Tuple,
    ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop,
)  # fmt: skip
