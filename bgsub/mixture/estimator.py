"""What every estimator here has: parameters by name, checks, and manners for scikit-learn."""

from __future__ import annotations

import inspect
import numbers
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bgsub.errors import ConfigError, DataError, require
from bgsub.mixture import compat, samples


class Estimator:
    """Keeps its parameters as given; what it learns ends in an underscore."""

    _kind: ClassVar[str]
    _learnt: ClassVar[str]
    """An attribute that a fitted one has."""

    threads: int | None

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name, as they were given."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name. Returns self; raises ConfigError for an unknown one."""
        known = self._names()
        for name, value in params.items():
            require(
                name in known,
                f"Invalid parameter {name!r} for estimator {type(self).__name__}. "
                f"Valid parameters are: {known!r}.",
            )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        given = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if value is not defaults[name].default and repr(value) != repr(defaults[name].default)
        ]
        return f"{type(self).__name__}({', '.join(given)})"

    def __sklearn_tags__(self) -> Any:
        return compat.tags(
            self._kind, missing=self._takes_missing, transforms=hasattr(self, "transform")
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, self._learnt)

    @property
    def _takes_missing(self) -> bool:
        """Whether samples to learn from may be NaN."""
        return False

    @property
    def _judges_missing(self) -> bool:
        """Whether samples to judge may be."""
        return self._takes_missing

    def _check_fitted(self) -> None:
        if not hasattr(self, self._learnt):
            raise compat.not_fitted(type(self).__name__)

    def _training(self, x: ArrayLike, least: int = 2) -> NDArray[Any]:
        """Samples to learn from; remembers their features."""
        names = _column_names(x)
        values = samples.matrix(x, least=least, missing=self._takes_missing, workers=self.threads)
        self.n_features_in_ = values.shape[1]
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return values

    def _asked(self, x: ArrayLike) -> NDArray[Any]:
        """Samples to judge by what was learnt."""
        self._check_fitted()
        self._check_names(_column_names(x))
        values = samples.matrix(x, missing=self._judges_missing, workers=self.threads)
        expected = getattr(self, "n_features_in_", values.shape[1])
        if values.shape[1] != expected:
            raise DataError(
                f"X has {values.shape[1]} features, but {type(self).__name__} is expecting "
                f"{expected} features as input"
            )
        return values

    def _check_names(self, given: NDArray[Any] | None) -> None:
        learnt = getattr(self, "feature_names_in_", None)
        name = type(self).__name__
        if learnt is None and given is not None:
            compat.warn(
                f"X has feature names, but {name} was fitted without feature names", UserWarning
            )
        elif learnt is not None and given is None:
            compat.warn(
                f"X does not have valid feature names, but {name} was fitted with feature names",
                UserWarning,
            )
        elif learnt is not None and given is not None and list(given) != list(learnt):
            raise DataError(_names_differ(list(learnt), list(given)))


def _column_names(x: Any) -> NDArray[Any] | None:
    """Names of a table's columns, None where it has none."""
    columns = getattr(x, "columns", None)
    if columns is None or not len(columns):
        return None
    texts = [isinstance(name, str) for name in columns]
    if any(texts) and not all(texts):
        raise TypeError(
            "Feature names are only supported if all input features have string names, but your "
            "input has mixed types. Convert the column names with X.columns = "
            "X.columns.astype(str)."
        )
    return np.asarray(list(columns), dtype=object) if all(texts) else None


def _names_differ(learnt: list[str], given: list[str]) -> str:
    lines = ["The feature names should match those that were passed during fit."]
    unseen, gone = sorted(set(given) - set(learnt)), sorted(set(learnt) - set(given))
    for title, names in (
        ("Feature names unseen at fit time:", unseen),
        ("Feature names seen at fit time, yet now missing:", gone),
    ):
        if names:
            lines += [title, *(f"- {name}" for name in names[:5])]
            if len(names) > 5:
                lines.append("- ...")
    if not unseen and not gone:
        lines.append("Feature names must be in the same order as they were in fit.")
    return "\n".join(lines) + "\n"


def numbers_of(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """`values` as float64, or ConfigError for what are no numbers in a regular array."""
    try:
        return np.asarray(values, float)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name} must be numbers in a regular array: {error}") from error


def whole_number(value: Any, name: str, least: int, most: float = np.inf) -> int:
    """`value`, or ConfigError for what is no whole number from `least` to `most`."""
    good = isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_)
    if not (good and least <= int(value) <= most):
        span = f"from {least} to {most}" if most < np.inf else f"from {least} up"
        raise ConfigError(f"{name} must be a whole number {span}, got {value!r}")
    return int(value)


def check_flag(owner: object, name: str) -> None:
    """Refuse a parameter that is not True or False."""
    value = getattr(owner, name)
    good = isinstance(value, bool | np.bool_)
    _refuse(owner, name, value, good, "an instance of 'bool' or an instance of 'numpy.bool'")


def check_number(
    owner: object,
    name: str,
    *,
    whole: bool = False,
    least: float = -np.inf,
    above: float | None = None,
    optional: bool = False,
) -> None:
    """Refuse a parameter that is not a number in its range."""
    value = getattr(owner, name)
    if optional and value is None:
        return
    kind = numbers.Integral if whole else numbers.Real
    good = isinstance(value, kind) and not isinstance(value, bool | np.bool_)
    good = good and least <= value < np.inf and (above is None or value > above)
    wanted = "an int" if whole else "a float"
    span = f"[{least:g}, inf)" if above is None else f"({above:g}, inf)"
    _refuse(owner, name, value, good, f"{wanted} in the range {span}" + " or None" * optional)


def check_choice(owner: object, name: str, choices: tuple[str, ...]) -> None:
    """Refuse a parameter that is none of `choices`."""
    value = getattr(owner, name)
    listed = ", ".join(repr(choice) for choice in sorted(choices))
    good = isinstance(value, str) and value in choices
    _refuse(owner, name, value, good, f"a str among {{{listed}}}")


def _refuse(owner: object, name: str, value: object, good: bool, wanted: str) -> None:
    if not good:
        raise ConfigError(
            f"The {name!r} parameter of {type(owner).__name__} must be {wanted}. "
            f"Got {value!r} instead."
        )


def generator(seed: object) -> np.random.RandomState:
    """The random numbers that `random_state` stands for.

    The legacy generator, because scikit-learn draws from it: the same `random_state` gives the
    same starts as there.
    """
    if seed is None:
        return np.random.mtrand._rand
    if isinstance(seed, np.random.RandomState):
        return seed
    if isinstance(seed, numbers.Integral) and not isinstance(seed, bool):
        try:
            return np.random.RandomState(int(seed))
        except ValueError as error:
            raise ConfigError(f"random_state: {error}") from error
    raise ConfigError(f"random_state must be an int, a RandomState or None, got {seed!r}")
