"""Tables, as scikit-learn's fetchers give theirs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
from sklearn.utils import Bunch

from skdl.datasets._files import check_arguments, path_of, reading
from skdl.datasets._sources import SOURCES

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

__all__ = ["fetch_adult", "fetch_housing", "fetch_penguins", "fetch_red_wine", "fetch_weather"]


def _as_it_is(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


@dataclass(frozen=True)
class _Table:
    """What one table is."""

    name: str
    target: str
    n_rows: int
    description: str
    is_class: bool = False
    read: dict[str, Any] = field(default_factory=dict)
    prepare: Callable[[pd.DataFrame], pd.DataFrame] = _as_it_is


def _days_and_tomorrow(frame: pd.DataFrame) -> pd.DataFrame:
    """Put days into the index, and the sunshine of the next day into a last column."""
    days = frame.drop(columns="MONTH").set_index("DATE")
    tomorrow = days["BASEL_sunshine"].shift(-1)
    return days.assign(sunshine_tomorrow=tomorrow).iloc[:-1]


_ADULT = _Table(
    "adult",
    target="income",
    n_rows=32_561,
    is_class=True,
    description="""Adult, or census income: the training part.

32,561 people of the US census of 1994: six columns of numbers and eight of categories, three of
which have gaps. The target says whether somebody earned more than 50,000 dollars a year: "<=50K"
or ">50K".

Source: B. Becker and R. Kohavi (1996), UCI Machine Learning Repository 2,
https://doi.org/10.24432/C5XW20. Licence: CC BY 4.0.
""",
)
_HOUSING = _Table(
    "housing",
    target="median_house_value",
    n_rows=20_640,
    description="""California housing, with its gaps and its category.

20,640 districts of the census of 1990: place, age, rooms, people and income, and how near the ocean
is. 207 districts lack the number of bedrooms. The target is the median value of a house in dollars;
values above 500,000 are cut to 500,001. `sklearn.datasets.fetch_california_housing` has the same
districts without gaps and categories.

Source: R. K. Pace and R. Barry (1997), Sparse spatial autoregressions, Statistics & Probability
Letters 33, 291-297; housing.csv of https://github.com/ageron/handson-ml2. Licence: that repository
is under Apache 2.0; StatLib, from where it has the numbers, states none.
""",
)
_PENGUINS = _Table(
    "penguins",
    target="species",
    n_rows=344,
    is_class=True,
    description="""Palmer penguins.

344 penguins of three islands: four measures, island, sex and the year of the visit, with gaps. The
target is the species: "Adelie", "Chinstrap" or "Gentoo".

Source: A. M. Horst, A. P. Hill and K. B. Gorman (2020), palmerpenguins,
https://doi.org/10.5281/zenodo.3960218; from the package palmerpenguins 0.1.6 on PyPI. Licence: CC0.
""",
)
_RED_WINE = _Table(
    "red_wine",
    target="quality",
    n_rows=1599,
    read={"sep": ";"},
    description="""Wine quality: the red wines.

1,599 wines of Portugal: eleven numbers of the laboratory. The target is a grade by tasters, from 3
to 8. 240 rows are exact duplicates of others: group by them
(`skdl.model_selection.duplicate_groups`) or drop them, as else they are trained on and tested on.

Source: P. Cortez, A. Cerdeira, F. Almeida, T. Matos and J. Reis (2009), UCI Machine Learning
Repository 186, https://doi.org/10.24432/C56S3T. Licence: CC BY 4.0.
""",
)
_WEATHER = _Table(
    "weather",
    target="sunshine_tomorrow",
    n_rows=3653,
    read={"parse_dates": ["DATE"]},
    prepare=_days_and_tomorrow,
    description="""Weather of eleven European cities, and tomorrow's sunshine in Basel.

3,653 days of the years 2000 to 2009, in order: cloud cover, humidity, pressure, radiation, rain,
sunshine and temperatures. The index holds the day. The target is the number of hours of sunshine in
Basel on the next day, `BASEL_sunshine` of the row below.

Source: F. Huber, D. van Kuppevelt, P. Steinbach, C. Sauze, Y. Liu and B. Weel (2021), Weather
prediction dataset (light), https://doi.org/10.5281/zenodo.5071376, from data of the European
Climate Assessment & Dataset, https://www.ecad.eu. Licence: see the record; ECA&D gives its data for
non-commercial research and education.
""",
)


def fetch_adult(
    *,
    data_home: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
    as_frame: bool = True,
    download_if_missing: bool = True,
) -> Any:
    """Census income: who earns more than 50,000 dollars? (classification).

    32,561 people, numbers and categories with gaps.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder to look in, and to download to. None: the folder that the environment variable
        ``SKDL_DATA`` names, then ``~/.cache/skdl/data``, which also keeps what is downloaded.
    return_X_y : bool, default=False
        Return ``(data, target)`` and nothing else.
    as_frame : bool, default=True
        Data as a DataFrame, in which columns of text are categories, and the target as a Series.
        False: both as arrays.
    download_if_missing : bool, default=True
        False: raise an error where the file is in none of these folders.

    Returns
    -------
    bunch : Bunch
        ``data``, ``target``, ``frame`` (both together; None for arrays), ``feature_names``,
        ``target_names`` and ``DESCR``: what it is, the source and the licence.

    Raises
    ------
    OSError
        If the file cannot be found, downloaded or read. The message says where to put which file.

    Examples
    --------
    >>> from skdl.datasets import fetch_adult
    >>> X, y = fetch_adult(return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (32561, 14)
    """
    arguments = {
        "data_home": data_home,
        "return_X_y": return_X_y,
        "as_frame": as_frame,
        "download_if_missing": download_if_missing,
    }
    return _fetch(_ADULT, arguments)


def fetch_housing(
    *,
    data_home: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
    as_frame: bool = True,
    download_if_missing: bool = True,
) -> Any:
    """Median house values of districts in California (regression).

    20,640 districts, with one column of categories and 207 gaps.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder to look in, and to download to. None: the folder that the environment variable
        ``SKDL_DATA`` names, then ``~/.cache/skdl/data``, which also keeps what is downloaded.
    return_X_y : bool, default=False
        Return ``(data, target)`` and nothing else.
    as_frame : bool, default=True
        Data as a DataFrame, in which columns of text are categories, and the target as a Series.
        False: both as arrays.
    download_if_missing : bool, default=True
        False: raise an error where the file is in none of these folders.

    Returns
    -------
    bunch : Bunch
        ``data``, ``target``, ``frame`` (both together; None for arrays), ``feature_names``,
        ``target_names`` and ``DESCR``: what it is, the source and the licence.

    Raises
    ------
    OSError
        If the file cannot be found, downloaded or read. The message says where to put which file.

    Examples
    --------
    >>> from skdl.datasets import fetch_housing
    >>> X, y = fetch_housing(return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (20640, 9)
    """
    arguments = {
        "data_home": data_home,
        "return_X_y": return_X_y,
        "as_frame": as_frame,
        "download_if_missing": download_if_missing,
    }
    return _fetch(_HOUSING, arguments)


def fetch_penguins(
    *,
    data_home: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
    as_frame: bool = True,
    download_if_missing: bool = True,
) -> Any:
    """Three species of penguins (classification).

    344 penguins, numbers and categories with gaps.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder to look in, and to download to. None: the folder that the environment variable
        ``SKDL_DATA`` names, then ``~/.cache/skdl/data``, which also keeps what is downloaded.
    return_X_y : bool, default=False
        Return ``(data, target)`` and nothing else.
    as_frame : bool, default=True
        Data as a DataFrame, in which columns of text are categories, and the target as a Series.
        False: both as arrays.
    download_if_missing : bool, default=True
        False: raise an error where the file is in none of these folders.

    Returns
    -------
    bunch : Bunch
        ``data``, ``target``, ``frame`` (both together; None for arrays), ``feature_names``,
        ``target_names`` and ``DESCR``: what it is, the source and the licence.

    Raises
    ------
    OSError
        If the file cannot be found, downloaded or read. The message says where to put which file.

    Examples
    --------
    >>> from skdl.datasets import fetch_penguins
    >>> X, y = fetch_penguins(return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (344, 7)
    """
    arguments = {
        "data_home": data_home,
        "return_X_y": return_X_y,
        "as_frame": as_frame,
        "download_if_missing": download_if_missing,
    }
    return _fetch(_PENGUINS, arguments)


def fetch_red_wine(
    *,
    data_home: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
    as_frame: bool = True,
    download_if_missing: bool = True,
) -> Any:
    """Grades that tasters gave red wines (regression).

    1,599 wines, 240 of which are exact duplicates of others.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder to look in, and to download to. None: the folder that the environment variable
        ``SKDL_DATA`` names, then ``~/.cache/skdl/data``, which also keeps what is downloaded.
    return_X_y : bool, default=False
        Return ``(data, target)`` and nothing else.
    as_frame : bool, default=True
        Data as a DataFrame, in which columns of text are categories, and the target as a Series.
        False: both as arrays.
    download_if_missing : bool, default=True
        False: raise an error where the file is in none of these folders.

    Returns
    -------
    bunch : Bunch
        ``data``, ``target``, ``frame`` (both together; None for arrays), ``feature_names``,
        ``target_names`` and ``DESCR``: what it is, the source and the licence.

    Raises
    ------
    OSError
        If the file cannot be found, downloaded or read. The message says where to put which file.

    Examples
    --------
    >>> from skdl.datasets import fetch_red_wine
    >>> X, y = fetch_red_wine(return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (1599, 11)
    """
    arguments = {
        "data_home": data_home,
        "return_X_y": return_X_y,
        "as_frame": as_frame,
        "download_if_missing": download_if_missing,
    }
    return _fetch(_RED_WINE, arguments)


def fetch_weather(
    *,
    data_home: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
    as_frame: bool = True,
    download_if_missing: bool = True,
) -> Any:
    """Weather of eleven cities, and tomorrow's sunshine in Basel (regression).

    3,653 days in order; the index of the frame holds the day.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder to look in, and to download to. None: the folder that the environment variable
        ``SKDL_DATA`` names, then ``~/.cache/skdl/data``, which also keeps what is downloaded.
    return_X_y : bool, default=False
        Return ``(data, target)`` and nothing else.
    as_frame : bool, default=True
        Data as a DataFrame, in which columns of text are categories, and the target as a Series.
        False: both as arrays.
    download_if_missing : bool, default=True
        False: raise an error where the file is in none of these folders.

    Returns
    -------
    bunch : Bunch
        ``data``, ``target``, ``frame`` (both together; None for arrays), ``feature_names``,
        ``target_names`` and ``DESCR``: what it is, the source and the licence.

    Raises
    ------
    OSError
        If the file cannot be found, downloaded or read. The message says where to put which file.

    Examples
    --------
    >>> from skdl.datasets import fetch_weather
    >>> X, y = fetch_weather(return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (3653, 89)
    """
    arguments = {
        "data_home": data_home,
        "return_X_y": return_X_y,
        "as_frame": as_frame,
        "download_if_missing": download_if_missing,
    }
    return _fetch(_WEATHER, arguments)


def _fetch(table: _Table, arguments: dict[str, Any]) -> Any:
    owner = f"fetch_{table.name}"
    check_arguments(owner, arguments)
    path = path_of(
        owner,
        SOURCES[table.name],
        data_home=arguments["data_home"],
        download_if_missing=arguments["download_if_missing"],
    )
    with reading(owner, path):
        frame = table.prepare(pd.read_csv(path, **table.read))
        data, target = frame.drop(columns=table.target), frame[table.target]
        if len(frame) != table.n_rows:
            raise ValueError(f"{len(frame):,} rows instead of {table.n_rows:,}")
    text = data.select_dtypes(exclude="number").columns
    data = data.astype(dict.fromkeys(text, "category"))
    is_frame = arguments["as_frame"]
    X, y = (data, target) if is_frame else (data.to_numpy(), target.to_numpy())
    if arguments["return_X_y"]:
        return X, y
    return Bunch(
        data=X,
        target=y,
        frame=data.assign(**{table.target: target}) if is_frame else None,
        feature_names=data.columns.to_list(),
        target_names=sorted(target.unique()) if table.is_class else [table.target],
        DESCR=table.description,
    )
