"""An ONNX graph while it is being written: nodes, constants and inputs with unique names."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from skdl._extras import needs_extra

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    __all__ = ["MERGED", "MISSING_TEXT", "OPSETS", "Block", "Graph", "InputColumn", "Kind", "Table",
               "names_inside", "rename"]  # fmt: skip

# ONNX has no missing texts; the empty one stands for them.
MISSING_TEXT = ""
# Begins the names of nodes that `Graph.merge` adds.
MERGED = "part_"
# Of the standard operators and those of ai.onnx.ml: 19 is the first in which texts can be compared.
OPSETS = {"": 19, "ai.onnx.ml": 3}
# Of the file format, as of the release that brought opset 19.
_IR_VERSION = 9

Kind: TypeAlias = Literal["float64", "float32", "int64", "uint8", "string"]


@dataclasses.dataclass(frozen=True)
class Block:
    """Columns of a table that stand in one tensor.

    Parameters
    ----------
    value : str
        Name of the tensor of shape [N, width]; of images [N, ...].
    width : int
        Numbers of one row.
    kind : Kind
    names : tuple of (str or None)
        Of the columns, where they are known.
    sources : tuple of (str or None)
        Inputs of the graph that the columns are, where they still are.
    row_shape : tuple of int, optional
        Of one row, where it has more than one axis.
    fills : tuple of str
        Of columns of text, what the missing text stands for, where it was imputed: the tensor
        itself still holds gaps, see `Graph.joined`.
    """

    value: str
    width: int
    kind: Kind
    names: tuple[str | None, ...] = ()
    sources: tuple[str | None, ...] = ()
    row_shape: tuple[int, ...] | None = None
    fills: tuple[str, ...] = ()

    def name_of(self, column: int) -> str | None:
        """Return the name of one column."""
        return self.names[column] if self.names else None

    def source_of(self, column: int) -> str | None:
        """Return the input that one column is."""
        return self.sources[column] if self.sources else None


Table: TypeAlias = "tuple[Block, ...]"


def places_of(table: Table) -> list[tuple[Block, int]]:
    """Return for each column of a table its block, and its position there."""
    return [(block, column) for block in table for column in range(block.width)]


@dataclasses.dataclass
class InputColumn:
    """One input of the graph, as the file's metadata describe it.

    Parameters
    ----------
    name : str
    kind : {"number", "string", "datetime", "timedelta", "array"}
    dtype : str
        Of the tensor.
    shape : list of int
        Of one row.
    levels : list, optional
        What a column of categories may hold; None in it stands for a missing value.
    refuses_others : bool
        Whether other levels are an error.
    fills_gaps : bool
        Whether missing values are filled before levels are looked up.
    refuses_gaps : bool or list of int
        Whether the estimator refuses missing numbers; of rows of an array, in which columns.
    """

    name: str
    kind: str
    dtype: str
    shape: list[int]
    levels: list[Any] | None = None
    refuses_others: bool = False
    fills_gaps: bool = False
    refuses_gaps: bool | list[int] = False


class Graph:
    """Nodes and constants, added in the order in which they run."""

    def __init__(self) -> None:
        with needs_extra("export", "skdl.export"):
            import onnx
        self._onnx = onnx
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.inputs: list[InputColumn] = []
        self.opsets = dict(OPSETS)
        self._names: dict[tuple[Any, ...], str] = {}
        self._count = 0

    # ------------------------------------------------------------------ writing

    def new_name(self, stem: str) -> str:
        """Return a name that no other tensor has."""
        self._count += 1
        return f"{stem}_{self._count}"

    def node(
        self, operator: str, *inputs: Any, domain: str = "", n_unused: int = 0, **attributes: Any
    ) -> str:
        """Add a node and return the name of its first output; arrays become constants.

        Of the outputs behind the first, `n_unused` are named but lead nowhere.
        """
        output = self.new_name(operator.lower())
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        self.nodes.append(
            self._onnx.helper.make_node(
                operator,
                names,
                [output, *(f"{output}_{i + 1}" for i in range(n_unused))],
                name=output,
                domain=domain,
                **attributes,
            )
        )
        return output

    def two_outputs(self, operator: str, *inputs: Any, **attributes: Any) -> tuple[str, str]:
        """Add a node, as `node`, and return the names of its first two outputs."""
        first = self.node(operator, *inputs, n_unused=1, **attributes)
        return first, f"{first}_1"

    def scan(
        self,
        body: Callable[[Sequence[str]], Sequence[str]],
        states: Sequence[str],
        inputs: Sequence[tuple[str, str]],
        *,
        backwards: bool,
        prepends: bool,
    ) -> tuple[str, str]:
        """Add a loop over the first axis of tensors; return the first state after all and each.

        Parameters
        ----------
        body : callable
            Adds the nodes of one step, given names of its inputs, then of the states; returns the
            new states, then what is kept of the step.
        states : sequence of str
            Before the first step.
        inputs : sequence of (tensor, kind)
        backwards, prepends : bool
            Whether steps are taken from the end, and set in front of those before.
        """
        helper, outer = self._onnx.helper, self.nodes
        own = [(self.new_name("state"), "float32") for _ in states]
        taken = [(self.new_name("step"), kind) for _, kind in inputs]
        self.nodes = []
        try:
            results = body([name for name, _ in (*taken, *own)])
            nodes = self.nodes
        finally:
            self.nodes = outer
        described = [
            helper.make_tensor_value_info(name, self.element_type(kind), None)
            for name, kind in (*own, *taken, *((name, "float32") for name in results))
        ]
        n_inputs = len(own) + len(taken)
        graph = helper.make_graph(
            nodes, self.new_name("loop"), described[:n_inputs], described[n_inputs:]
        )
        outputs = [self.new_name("scan") for _ in results]
        attributes = {
            "body": graph,
            "num_scan_inputs": len(taken),
            "scan_input_directions": [int(backwards)] * len(taken),
            "scan_output_directions": [int(prepends)],
        }
        given = [*states, *(name for name, _ in inputs)]
        self.nodes.append(helper.make_node("Scan", given, outputs, name=outputs[0], **attributes))
        return outputs[0], outputs[-1]

    def constant(self, values: Any) -> str:
        """Add a constant, or find it, and return its name; objects are texts."""
        array = np.ascontiguousarray(values).reshape(np.shape(values))
        content = tuple(array.ravel()) if array.dtype == object else array.tobytes()
        key = (array.dtype.str, array.shape, content)
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = self.new_name("constant")
            self.initializers.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def integers(self, *values: int) -> str:
        """Add a constant vector of int64."""
        return self.constant(np.array(values, np.int64))

    def cast(self, value: str, kind: str) -> str:
        """Return a tensor in another type."""
        return self.node("Cast", value, to=self.element_type(kind))

    def element_type(self, kind: str) -> int:
        """Return ONNX's number for a type."""
        types = self._onnx.TensorProto
        return int({
            "float64": types.DOUBLE, "float32": types.FLOAT, "int64": types.INT64,
            "uint8": types.UINT8, "string": types.STRING, "bool": types.BOOL,
        }[kind])  # fmt: skip

    def merge(self, model: Any, inputs: Sequence[str]) -> list[str]:
        """Add the nodes of a model that takes these tensors; return the names of its outputs."""
        prefix = self.new_name(MERGED.rstrip("_"))
        renamed = dict(zip((i.name for i in model.graph.input), inputs, strict=True))

        def new(name: str) -> str:
            return renamed.get(name, f"{prefix}_{name}") if name else ""

        for tensor in model.graph.initializer:
            copy = type(tensor)()
            copy.CopyFrom(tensor)
            copy.name = new(tensor.name)
            self.initializers.append(copy)
        for node in model.graph.node:
            copy = type(node)()
            copy.CopyFrom(node)
            copy.name = f"{prefix}_{node.name}"
            del copy.input[:], copy.output[:]
            copy.input.extend(map(new, node.input))
            copy.output.extend(map(new, node.output))
            for attribute in copy.attribute:
                rename(attribute.g, new)
            self.nodes.append(copy)
        for opset in model.opset_import:
            self.opsets[opset.domain] = max(self.opsets.get(opset.domain, 0), opset.version)
        return [new(output.name) for output in model.graph.output]

    # ------------------------------------------------------------------ inputs and blocks

    def add_input(self, column: InputColumn) -> Block:
        """Add an input, and return the block that it is."""
        self.inputs.append(column)
        width = int(np.prod(column.shape))
        kind: Any = column.dtype
        has_one = len(column.shape) == 1
        named = (column.name,) if width == 1 and column.kind != "array" else ()
        return Block(
            column.name, width, kind, named, named, None if has_one else tuple(column.shape)
        )

    def say_levels(self, source: str | None, levels: list[Any], *, refuses_others: bool) -> None:
        """Note what an input of categories may hold, where a column still is an input."""
        for column in self.inputs:
            if column.name == source:
                column.levels = levels
                column.refuses_others = refuses_others

    def say_filled(self, source: str | None) -> None:
        """Note that missing values of an input are filled."""
        for column in self.inputs:
            column.fills_gaps |= column.name == source

    def joined(self, table: Table, kind: Kind) -> str:
        """Return all columns of a table as one tensor ``[N, width]``."""
        parts = [
            self._filled(block) if block.kind == kind else self.cast(block.value, kind)
            for block in table
        ]
        return parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=1)

    def _filled(self, block: Block) -> str:
        """Return a block's tensor with its gaps filled."""
        if not block.fills:
            return block.value
        is_missing = self.node("Equal", block.value, np.array([MISSING_TEXT], object))
        return self.node("Where", is_missing, np.array(block.fills, object), block.value)

    def columns(self, block: Block, columns: Sequence[int]) -> Block:
        """Return some columns of a block, in this order."""
        if list(columns) == list(range(block.width)):
            return block
        return Block(
            self.node("Gather", block.value, self.integers(*columns), axis=1),
            len(columns),
            block.kind,
            tuple(block.name_of(column) for column in columns),
            tuple(block.source_of(column) for column in columns),
            fills=tuple(block.fills[column] for column in columns) if block.fills else (),
        )

    def column(self, block: Block, column: int) -> Block:
        """Return one column of a block."""
        return self.columns(block, [column])

    # ------------------------------------------------------------------ the finished model

    def model(self, outputs: Sequence[tuple[str, str, str, list[Any]]]) -> Any:
        """Return the model.

        Parameters
        ----------
        outputs : sequence of (tensor, name, kind, shape)
        """
        helper = self._onnx.helper
        self._prune({tensor for tensor, *_ in outputs})
        values = [
            helper.make_tensor_value_info(
                column.name, self.element_type(column.dtype), ["rows", *column.shape]
            )
            for column in self.inputs
        ]
        results = []
        for tensor, name, kind, shape in outputs:
            self.nodes.append(helper.make_node("Identity", [tensor], [name], name=name))
            results.append(
                helper.make_tensor_value_info(name, self.element_type(kind), ["rows", *shape])
            )
        graph = helper.make_graph(self.nodes, "skdl", values, results, self.initializers)
        used = {node.domain for node in self.nodes} | {""}
        opsets = [
            helper.make_opsetid(domain, version)
            for domain, version in self.opsets.items()
            if domain in used
        ]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="skdl"
        )
        self._onnx.checker.check_model(model)
        return model

    def _prune(self, needed: set[str]) -> None:
        """Take off nodes, constants and inputs that none of these tensors depends on."""
        kept = []
        for node in reversed(self.nodes):
            if needed & set(node.output):
                kept.append(node)
                needed |= _read_by(node)
        self.nodes = kept[::-1]
        self.initializers = [tensor for tensor in self.initializers if tensor.name in needed]
        self.inputs = [column for column in self.inputs if column.name in needed]


def names_inside(graph: Any) -> set[str]:
    """Return the tensors that the graph of a loop's steps defines; none of an empty graph."""
    found = {value.name for value in (*graph.input, *graph.initializer)}
    for node in graph.node:
        found.update(node.output)
        for attribute in node.attribute:
            found |= names_inside(attribute.g)
    return found


def rename(graph: Any, new: Callable[[str], str]) -> None:
    """Give the tensors in the graph of a loop's steps, and those from outside, other names."""
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = new(value.name)
    for node in graph.node:
        inputs, outputs = list(map(new, node.input)), list(map(new, node.output))
        del node.input[:], node.output[:]
        node.input.extend(inputs)
        node.output.extend(outputs)
        for attribute in node.attribute:
            rename(attribute.g, new)


def _read_by(node: Any) -> set[str]:
    """Return the tensors that a node takes, those that a loop's steps take from outside too."""
    inner = [own for attribute in node.attribute for own in attribute.g.node]
    return set(node.input).union(*map(_read_by, inner))
