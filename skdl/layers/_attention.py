"""Attention of the steps of a sequence to one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skdl.layers._dropout import kept_units
from skdl.layers._rule import Rule, Variable, by_row, penalty_of_kernel
from skdl.layers._shapes import concatenated, shape_of

if TYPE_CHECKING:
    from collections.abc import Hashable

    import keras
    from tensorflow import Tensor

    from skdl.layers._rule import LayerContext
    from skdl.layers._shapes import Shape
    from skdl.networks import Layer

__all__ = ["MultiHeadAttentionRule"]

# Stands for minus infinity: its exponential is 0, and a row of them has a finite softmax.
_LOWEST = -1e30


class MultiHeadAttentionRule(Rule):
    """Self-attention by several heads (Vaswani et al. 2017, section 3.2.2), as in Keras.

    Steps that do not count are not looked at, and look at nothing themselves: what their heads
    give is 0. Dropout acts on the shares of attention.
    """

    scalars = ("l1", "l2", "dropout")
    noise_scalars = ("dropout",)
    draws_noise = True
    keeps_mask = True

    def structure(self, layer: Layer) -> Hashable:
        return bool(layer.get("use_bias", True))

    def variables(self, layer: Layer, position: int, shape: Shape) -> list[Variable]:
        heads, width = layer["num_heads"], shape[-1]
        value_dim = layer.get("value_dim") or layer["key_dim"]
        kernels = {
            "query": (width, heads, layer["key_dim"]),
            "key": (width, heads, layer["key_dim"]),
            "value": (width, heads, value_dim),
            "output": (heads, value_dim, width),
        }
        found = []
        for name, kernel in kernels.items():
            found.append(Variable(position, f"{name}_kernel", kernel, initializer="glorot_uniform"))
            if layer.get("use_bias", True):
                bias = kernel[2:] if name == "output" else kernel[1:]
                found.append(Variable(position, f"{name}_bias", bias))
        return found

    def peak_width(self, layer: Layer, shape: Shape) -> int:
        heads, n_steps = int(layer["num_heads"]), shape[0]
        return heads * n_steps * (n_steps + 4 * int(layer["key_dim"]))

    def noise_size(self, layer: Layer, shape: Shape) -> int:
        return int(layer["num_heads"]) * shape[0] ** 2

    def keras_call(self, built: keras.layers.Layer, tensors: list[Any]) -> Any:
        (x,) = tensors
        return built(x, x)

    def penalty(self, variables: list[Tensor], scalars: dict[str, Tensor]) -> Tensor | float:
        kernels = variables[:: len(variables) // 4]
        return sum(penalty_of_kernel(kernel, scalars) for kernel in kernels)

    def apply(self, layer: Layer, x: Tensor, context: LayerContext) -> tuple[Tensor, list[Tensor]]:
        import tensorflow as tf

        del layer
        per_part = len(context.variables) // 4
        parts = [context.variables[i : i + per_part] for i in range(0, 4 * per_part, per_part)]
        query, key, value = (_of_heads(x, *part) for part in parts[:3])
        scale = tf.math.rsqrt(tf.cast(shape_of(parts[0][0])[3], tf.float32))
        scores = tf.matmul(query * scale, key, transpose_b=True)
        # [M, B, 1, T, S]: whether a step looks, and whether one is looked at.
        mask = context.mask
        looks = None if mask is None else (mask[..., None] & mask[:, :, None])[:, :, None]
        shares = tf.nn.softmax(scores if looks is None else tf.where(looks, scores, _LOWEST))
        shares = shares if looks is None else tf.where(looks, shares, 0.0)
        if context.run.training and "dropout" in context.scalars:
            noise = context.run.noise(context.position, shape_of(shares)[1:])
            kept, rate = kept_units(noise, context.scalars["dropout"])
            shares = tf.where(kept, shares / (1.0 - rate), 0.0)
        # Heads side by side again, [M, B, T, heads * width].
        found = tf.transpose(tf.matmul(shares, value), [0, 1, 3, 2, 4])
        kernel, *bias = parts[3]
        m, heads, width, n_outputs = (shape_of(kernel)[i : i + 1] for i in range(4))
        flat = tf.reshape(found, concatenated(m, [-1], heads * width))
        result = tf.matmul(flat, tf.reshape(kernel, concatenated(m, heads * width, n_outputs)))
        result = result + by_row(bias[0]) if bias else result
        return tf.reshape(result, concatenated(shape_of(x)[:3], n_outputs)), []


def _of_heads(x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return what each head makes of the steps, ``[M, B, heads, T, width]``."""
    import tensorflow as tf

    m, n_inputs, heads, width = (shape_of(kernel)[i : i + 1] for i in range(4))
    flat = tf.reshape(x, concatenated(m, [-1], n_inputs))
    result = tf.matmul(flat, tf.reshape(kernel, concatenated(m, n_inputs, heads * width)))
    if bias is not None:
        result += by_row(tf.reshape(bias, concatenated(m, heads * width)))
    by_head = tf.reshape(result, concatenated(shape_of(x)[:3], heads, width))
    return tf.transpose(by_head, [0, 1, 3, 2, 4])
