"""Data of the documentation, from a folder of the user's, a cache or the network."""

from skdl._public_path import say_public_path
from skdl.datasets._images import fetch_ants_bees, fetch_mnist, fetch_mobilenet_weights
from skdl.datasets._tables import (
    fetch_adult,
    fetch_housing,
    fetch_penguins,
    fetch_red_wine,
    fetch_weather,
)
from skdl.datasets._texts import fetch_imdb

__all__ = [
    "fetch_adult",
    "fetch_ants_bees",
    "fetch_housing",
    "fetch_imdb",
    "fetch_mnist",
    "fetch_mobilenet_weights",
    "fetch_penguins",
    "fetch_red_wine",
    "fetch_weather",
]

say_public_path(globals())
