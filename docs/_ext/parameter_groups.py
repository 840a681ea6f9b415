"""Parameters of an estimator in groups, with what ``tabular()`` sets.

numpydoc lists the fifty parameters of a network in one column. On the page of an estimator this
extension sorts them under headings, in the order of their docstring, puts links to the headings
above them, gives each parameter an address (``#param-dropout``), and adds what the estimator's
``tabular()`` changes. A parameter without a group is a warning, so that new ones get theirs here.
"""

import inspect

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

import skdl

__all__ = ["setup"]

LOGGER = logging.getLogger(__name__)

GROUPS = {
    "Model": """
        model layer supervised backbone weights backbone_params
    """,
    "Capacity": """
        hidden_units hidden_layers activation parametric_activation shared_members
        conv_blocks filters kernel_size convs_per_block padding pooling pool_size global_pooling
        cell units layers bidirectional
        n_blocks width n_heads feed_forward_units positional_encoding
        encoder embedding_dim encoder_units n_components normalize
    """,
    "Regularisation": """
        dropout input_dropout conv_dropout recurrent_dropout embedding_dropout
        l1 l2 weight_decay sparsity batch_norm input_batch_norm normalization augment
    """,
    "Loss and targets": """
        loss label_smoothing huber_delta quantile quantiles target_scaling class_weight calibrate
        margin
    """,
    "Optimisation": """
        optimizer learning_rate learning_rate_schedule beta_2 batch_size epochs shuffle
        rows_per_class fine_tune fine_tune_epochs fine_tune_learning_rate
    """,
    "Early stopping": """
        early_stopping validation_fraction validation_split monitor patience min_delta
        restore_best_weights refit
    """,
    "Tables": """
        categorical_features max_one_hot category_units missing_numbers input_scaling
        numeric_embedding n_frequencies frequency_scale embedding_units n_bins feature_scale
    """,
    "Images": """
        image_shape image_size dimensions rescale preprocessing
    """,
    "Sequences": """
        sequence_shape channels mask_missing
    """,
    "Text": """
        max_tokens max_length analyzer lowercase token_pattern min_df truncation
    """,
    "Other": """
        metrics callbacks warm_start random_state verbose **kwargs
    """,
}
GROUP_OF = {name: group for group, names in GROUPS.items() for name in names.split()}


def estimator_of(description):
    """Return the network estimator that an object description is about, or None."""
    if description.get("objtype") != "class":
        return None
    full_name = description[0]["ids"][0]
    kind = getattr(skdl, full_name.removeprefix("skdl."), None)
    is_network = isinstance(kind, type) and "optimizer" in inspect.signature(kind).parameters
    return kind if is_network else None


def parameters_of(description):
    """Return the body of the field with the parameters of a class, not those of its methods."""
    for fields in description[-1].children:
        for field in fields.children if isinstance(fields, nodes.field_list) else ():
            if field[0].astext() == "Parameters":
                return field[1]
    return None


def preset_values(kind):
    """Return {parameter: value} of what ``tabular()`` changes."""
    if not hasattr(kind, "tabular"):
        return {}
    defaults = kind().get_params()
    return {
        name: value
        for name, value in kind.tabular().get_params().items()
        if value != defaults[name]
    }


def preset_note(kind, value, docname):
    """Return a paragraph that says what ``tabular()`` sets, with a link to it."""
    link = addnodes.pending_xref(
        "",
        nodes.literal("", "tabular()", classes=["xref", "py", "py-meth"]),
        refdomain="py",
        reftype="meth",
        reftarget=f"skdl.{kind.__name__}.tabular",
        refexplicit=True,
        refwarn=True,
        refdoc=docname,
    )
    shown = f'"{value}"' if isinstance(value, str) else repr(value)
    return nodes.paragraph(
        "", "", link, nodes.Text(" sets "), nodes.literal("", shown), classes=["preset"]
    )


def give_address(item, name):
    """Make a parameter one that links can lead to."""
    address = nodes.make_id(f"param-{name.lstrip('*')}")
    item[0]["ids"].append(address)
    link = nodes.reference("", "#", refid=address, classes=["headerlink"])
    link["reftitle"] = "Link to this parameter"
    item[-2].append(link)  # the type, or the name where there is none


class GroupParameters(SphinxTransform):
    """Sort the parameters of every network estimator of a page."""

    default_priority = 450  # after numpydoc's fields have become lists

    def apply(self, **kwargs):
        """Change the descriptions of a page."""
        del kwargs
        for type_of_parameter in self.document.findall(nodes.classifier):
            type_of_parameter["support_smartquotes"] = False  # "relu" as in Python
        for description in list(self.document.findall(addnodes.desc)):
            kind = estimator_of(description)
            body = parameters_of(description) if kind else None
            if body is not None:
                self.group(body, kind)

    def group(self, body, kind):
        """Sort the definitions of one field."""
        presets = preset_values(kind)
        sorted_items = {group: [] for group in GROUPS}
        items = [item for column in body.children for item in column.children]
        for item in items:
            name = item[0].astext().split(":")[0].strip()
            if name not in GROUP_OF:
                LOGGER.warning(
                    "%s: the parameter %r is in no group. Add it to GROUPS in %s.",
                    kind.__name__,
                    name,
                    __name__,
                    location=item,
                )
            give_address(item, name)
            if name in presets:
                item[-1].append(preset_note(kind, presets[name], self.env.docname))
            sorted_items[GROUP_OF.get(name, "Other")].append(item)
        sorted_items = {group: items for group, items in sorted_items.items() if items}
        jumps = nodes.paragraph("", "", classes=["parameter-groups"])
        body.clear()
        body.append(jumps)
        for group, items in sorted_items.items():
            address = nodes.make_id(f"parameters-{group}")
            jumps += [
                nodes.Text(" · " if len(jumps) else ""),
                nodes.reference("", group, refid=address, internal=True),
            ]
            body.append(nodes.rubric("", group, ids=[address], classes=["parameter-group"]))
            body.append(nodes.definition_list("", *items))


def setup(app):
    """Add the transform."""
    app.add_transform(GroupParameters)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
