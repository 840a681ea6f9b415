"""Backticked names become links: ``OptunaSearchCV`` to our pages, ``Pipeline`` to theirs.

A name is a link if it is public in skdl or stands in one of the inventories that intersphinx was
given. All else stays code: parameters, values, snippets.
"""

import re

import sphinx.ext.intersphinx as other_projects
from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

import skdl

__all__ = ["setup"]

# Words that are more often something else than the functions of these names.
WORDS = {"bundle", "load", "save"}
NAME = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*)(?:\(\))?")


def names_of_skdl():
    """Return the full name, as in the reference, of every name that may stand in backticks."""
    full_names = {}
    for room in (
        "datasets", "inspection", "model_selection", "export", "io", "serving", "exceptions", None
    ):  # fmt: skip
        place = getattr(skdl, room) if room else skdl
        prefix = f"skdl.{room}." if room else "skdl."
        for name in place.__all__:
            full_names[f"{prefix}{name}"] = f"{prefix}{name}"
            if name not in WORDS:
                full_names[name] = f"{prefix}{name}"
            thing = getattr(place, name)
            if isinstance(thing, type):
                methods = (method for method in dir(thing) if method[0] != "_")
                full_names |= {f"{name}.{method}": f"{prefix}{name}.{method}" for method in methods}
    return full_names


def names_of_others(env):
    """Return the full names of intersphinx's inventories, by themselves and by their last parts."""
    full_names = {}
    for objects in other_projects.InventoryAdapter(env).main_inventory.values():
        for full_name in objects:
            last = full_name.rpartition(".")[2]
            full_names[full_name] = full_name
            if last[0].isupper():
                full_names[last] = full_name
    return full_names


class LinkBacktickedNames(SphinxTransform):
    """Turn code that is nothing but a known name into a cross-reference."""

    default_priority = 400

    def apply(self, **kwargs):
        """Replace the nodes of one page."""
        del kwargs
        known = {**names_of_others(self.env), **names_of_skdl()}
        for literal in list(self.document.findall(nodes.literal)):
            match = NAME.fullmatch(literal.astext())
            within = literal.parent
            while within is not None and not isinstance(
                within,
                (nodes.title, nodes.reference, addnodes.pending_xref, addnodes.desc_signature),
            ):
                within = within.parent
            if match is None or within is not None or match[1] not in known:
                continue
            link = addnodes.pending_xref(
                "",
                literal.deepcopy(),
                refdomain="py",
                reftype="obj",
                reftarget=known[match[1]],
                refexplicit=True,
                refwarn=False,
                refdoc=self.env.docname,
            )
            literal.replace_self(link)


def setup(app):
    """Add the transform."""
    app.add_transform(LinkBacktickedNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
