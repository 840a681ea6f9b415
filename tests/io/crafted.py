"""Files that somebody made to do harm, each out of an honest one."""

import io
import json
import struct
import zipfile

import numpy as np

__all__ = ["CRAFTED", "Archive"]

SENTINEL = "sentinel_module"


class Archive:
    """A skops file taken apart.

    Parameters
    ----------
    data : bytes
        Of a fitted network, without a pipeline around it.
    """

    def __init__(self, data):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            self.members = {name: archive.read(name) for name in archive.namelist()}
        self.schema = json.loads(self.members.pop("schema.json"))
        text = self.node("skdl")
        self.state = json.loads(json.loads(text["content"]))

    def node(self, name):
        """Return what skops wrote of the packed text or of the parts."""
        return self.schema["content"]["content"][name]

    @property
    def parts(self):
        return self.node("parts")["content"]

    def attribute(self, name):
        """Return the pair of name and packed value of an attribute."""
        return next(pair for pair in self.state["content"]["dict"] if pair[0] == name)

    @property
    def trained(self):
        return self.attribute("_trained")[1]["has"]

    @property
    def network(self):
        return self.trained["network"]["has"]

    def layer(self, kind):
        """Return the first layer of a kind."""
        layers = [own["has"] for own in self.network["layers"]["tuple"]]
        return next(own for own in layers if own["kind"] == kind)

    def add_part(self, node):
        """Add an object of skops to the parts; return how the text refers to it."""
        self.parts.append({"__id__": 10**6 + len(self.parts), **node})
        return {"part": len(self.parts) - 1}

    def set_array(self, name, array):
        """Put another array in the place of one of the trained network."""
        part = self.parts[self.trained[name]["part"]]
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=True)
        self.members[part["file"]] = buffer.getvalue()

    def data(self, compression=zipfile.ZIP_DEFLATED):
        """Return the file."""
        self.node("skdl")["content"] = json.dumps(json.dumps(self.state))
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            for name, content in self.members.items():
                archive.writestr(name, content)
            archive.writestr("schema.json", json.dumps(self.schema))
        return buffer.getvalue()


CRAFTED = {}


def crafted(match, *, by_archive=False):
    """Register a function that spoils an archive, or returns a file; and what the error says.

    Parameters
    ----------
    match : str
    by_archive : bool
        Whether the harm is in the archive, not in what our classes are told.
    """

    def register(function):
        CRAFTED[function.__name__.replace("_", " ")] = function, match, by_archive
        return function

    return register


def object_of(module, name, content=None, loader="ObjectNode"):
    node = {"__class__": name, "__module__": module, "__loader__": loader}
    return node if content is None else {**node, "content": content}


def plain(value):
    return {**object_of("builtins", "str", json.dumps(value), "JsonNode"), "is_json": True}


def listed(*nodes, name="list"):
    loader = {"list": "ListNode", "tuple": "TupleNode"}[name]
    return object_of("builtins", name, list(nodes), loader)


def dict_of(**nodes):
    keys = listed(*[object_of("builtins", "str", loader="TypeNode") for _ in nodes])
    return {**object_of("builtins", "dict", nodes, "DictNode"), "key_types": keys}


def keras_layer(archive, module, name, config, **more):
    """Put a Keras layer in the place of the activation."""
    written = {"module": module, "class_name": name, "config": config, **more}
    layer = archive.layer("Activation")
    layer["kind"] = "Keras"
    described = {"family": "layers", "config": json.dumps(written), "kind": None,
                 "forgotten": None}  # fmt: skip
    layer["config"] = {"tuple": [{"tuple": ["layer", {"is": "KerasObject", "has": described}]}]}
    return described


# ------------------------------------------------------------------ classes and functions of others


@crafted("sentinel_module.Evil")
def class_of_another_module(archive):
    archive.add_part(object_of(SENTINEL, "Evil", dict_of(path=plain("x"))))


@crafted("posix.system|os.system")
def function_of_os(archive):
    archive.attribute("activation")[1] = archive.add_part(
        object_of("os", "system", loader="FunctionNode")
    )


@crafted("sentinel_module.run")
def class_that_is_called(archive):
    arguments = listed(plain("touch harm"), name="tuple")
    archive.add_part(object_of(SENTINEL, "run", arguments, "ConstructorFromReduceNode"))


@crafted("functools.partial")
def partial_function(archive):
    content = {
        "func": object_of(SENTINEL, "run", loader="FunctionNode"),
        "args": listed(name="tuple"), "kwds": dict_of(), "namespace": plain(None),
    }  # fmt: skip
    archive.add_part(object_of("functools", "partial", content, "PartialNode"))


@crafted("operator.methodcaller|builtins.methodcaller")
def method_caller(archive):
    node = object_of("operator", "methodcaller", loader="OperatorFuncNode")
    archive.add_part({**node, "attrs": listed(plain("system"), name="tuple")})


@crafted(r"MLPClassifier\.fit")
def method_of_an_estimator(archive):
    network = object_of("skdl.estimators", "MLPClassifier", dict_of())
    content = {"func": "fit", "obj": network}
    archive.add_part(object_of("skdl.estimators", "MLPClassifier", content, "MethodNode"))


@crafted(r"skdl\.networks")
def layer_beside_the_plain_data(archive):
    pairs = listed(name="tuple")
    arguments = listed(plain("TFSMLayer"), pairs, name="tuple")
    archive.add_part(
        object_of("skdl.networks._network", "Layer", arguments, "ConstructorFromReduceNode")
    )


# --------------------------------------------------------------------------------- Keras' own holes


@crafted("kind 'TFSMLayer'.*one of")
def saved_model_as_layer(archive):
    layer = archive.layer("Activation")
    layer["kind"] = "TFSMLayer"
    layer["config"] = {"tuple": [{"tuple": ["filepath", "a/model"]}]}


@crafted("kind 'Lambda'")
def lambda_as_layer(archive):
    archive.layer("Activation")["kind"] = "Lambda"


@crafted("'TFSMLayer' of 'keras.layers'")
def saved_model_as_keras_layer(archive):
    keras_layer(archive, "keras.layers", "TFSMLayer", {"filepath": "a/model"})


@crafted("'Lambda' of 'keras.layers'")
def lambda_with_code(archive):
    code = {"class_name": "__lambda__", "config": {"value": "4wAAAA==\n"}}
    keras_layer(archive, "keras.layers", "Lambda", {"name": "lambda", "function": code})


@crafted("'__lambda__'")
def lambda_in_an_argument(archive):
    code = {"class_name": "__lambda__", "config": {"value": "4wAAAA==\n"}}
    keras_layer(archive, "keras.layers", "Dense", {"units": 3, "activation": code})


@crafted("'StringLookup'")
def vocabulary_at_a_path(archive):
    inner = {"class_name": "StringLookup", "module": "keras.layers",
             "config": {"vocabulary": "/etc/passwd"}}  # fmt: skip
    keras_layer(archive, "keras.layers", "TimeDistributed", {"layer": inner})


@crafted("'run' of 'sentinel_module'")
def module_of_another(archive):
    keras_layer(archive, SENTINEL, "run", {})


@crafted("'Sequential' of 'keras.models'|'Dense' of 'keras.layers'")
def registered_name_of_another(archive):
    keras_layer(archive, "keras.layers", "Dense", {"units": 3}, registered_name="own>Evil")


@crafted("'system' of 'os'")
def function_of_another_module(archive):
    function = {"class_name": "function", "module": "os", "config": "system",
                "registered_name": "system"}  # fmt: skip
    keras_layer(archive, "keras.layers", "Activation", {"activation": function})


@crafted("'Popen' of 'subprocess'")
def operation_of_another_module(archive):
    call = {"operation": {"module": "subprocess", "class_name": "Popen", "config": {}},
            "args": [], "kwargs": {}}  # fmt: skip
    layer = archive.layer("Activation")
    layer["kind"] = "Operation"
    described = {"is": "OperationCall", "has": {"config": json.dumps(call)}}
    layer["config"] = {"tuple": [{"tuple": ["call", described]}]}


@crafted("left out of its configuration.*code that reads it")
def attributes_of_a_keras_object(archive):
    described = keras_layer(archive, "keras.layers", "Dense", {"units": 3})
    described["forgotten"] = {
        "is": "Forgotten",
        "has": {
            "attributes": {"tuple": [{"tuple": [{"tuple": ["call"]}, "x"]}]},
            "arguments": {"tuple": []}, "by_base": False, "roots": {"tuple": []},
        },
    }  # fmt: skip


@crafted("'TFSMLayer'")
def keras_model_as_parameter(archive):
    config = {"module": "keras", "class_name": "Sequential", "config": {"layers": [
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "x"}}
    ]}}  # fmt: skip
    archive.attribute("activation")[1] = {
        "is": "SavedModel", "has": {"config": json.dumps(config), "weights": []},
    }  # fmt: skip


@crafted("a class and its arguments")
def name_in_the_place_of_a_configuration(archive):
    keras_layer(archive, "keras.layers", "Dense", {})["config"] = '"Dense"'


@crafted("'evil' of 'keras.losses'")
def name_that_keras_does_not_have(archive):
    archive.attribute("optimizer")[1] = {
        "is": "SavedName", "has": {"family": "losses", "name": "evil"},
    }  # fmt: skip


@crafted("units=1000000000")
def keras_layer_larger_than_its_weights(archive):
    keras_layer(archive, "keras.layers", "Dense", {"units": 10**9})


@crafted("up to .* weights")
def keras_layers_that_multiply(archive):
    inner = [
        {"class_name": "Dense", "module": "keras.layers", "config": {"units": 10**6}}
        for _ in range(2)
    ]
    config = {"module": "keras", "class_name": "Sequential", "config": {
        "layers": inner, "build_input_shape": [None, 4],
    }}  # fmt: skip
    weights = archive.add_part(archive.parts[archive.trained["weights"]["part"]])
    archive.set_array("weights", np.zeros(10**6, np.float32))
    archive.attribute("activation")[1] = {
        "is": "SavedModel", "has": {"config": json.dumps(config), "weights": [weights]},
    }  # fmt: skip


@crafted("units=1000000")
def keras_model_without_its_weights(archive):
    inner = {"class_name": "Dense", "module": "keras.layers", "config": {"units": 10**6},
             "build_config": {"input_shape": [None, 10**6]}}  # fmt: skip
    config = {"module": "keras", "class_name": "Sequential", "config": {"layers": [inner]}}
    archive.attribute("activation")[1] = {
        "is": "SavedModel", "has": {"config": json.dumps(config), "weights": []},
    }  # fmt: skip


def sequential(*layers):
    return {"class_name": "Sequential", "module": "keras", "config": {"layers": list(layers)}}


def backbone(archive, config, **more):
    """Put what pretrained estimators hold in the place of a parameter."""
    has = {
        "_saved": {"tuple": [json.dumps(config), []]}, "_functions": {"dict": []},
        "_image_size": None, "_scale": 1.0, "_preprocessing": None, "pooling": "max",
        "_max_bytes": 0,
    }  # fmt: skip
    archive.attribute("activation")[1] = {"is": "Extractor", "has": {**has, **more}}


@crafted("'TFSMLayer'")
def backbone_that_loads_a_model(archive):
    inner = {"class_name": "TFSMLayer", "module": "keras.layers", "config": {"filepath": "x"}}
    backbone(
        archive, {"class_name": "Sequential", "module": "keras", "config": {"layers": [inner]}}
    )


@crafted("'Lambda'")
def backbone_with_a_lambda(archive):
    code = {"class_name": "__lambda__", "config": {"value": "4wAAAA==\n"}}
    inner = {"class_name": "Lambda", "module": "keras.layers", "config": {"function": code}}
    backbone(
        archive, {"class_name": "Sequential", "module": "keras", "config": {"layers": [inner]}}
    )


@crafted("_preprocessing='os.path'")
def preprocessing_of_another_module(archive):
    backbone(archive, {}, _preprocessing="os.path")


@crafted("function='x'")
def function_that_is_text(archive):
    function = {"is": "UserFunction", "has": {"function": "x"}}
    archive.layer("Activation")["config"] = {"tuple": [{"tuple": ["function", function]}]}


@crafted("study of Optuna that cannot be")
def study_with_a_trial_that_cannot_be(archive):
    trial = {
        "state": "COMPLETE", "values": None, "params": {"dict": [["x", 1]]},
        "distributions": {"dict": []}, "user_attrs": {"dict": []}, "hidden_attrs": {"dict": []},
        "curve": {"tuple": []}, "began": "yesterday", "ended": None,
    }  # fmt: skip
    has = {
        "name": "x", "directions": {"tuple": ["MINIMIZE"]}, "user_attrs": {"dict": []},
        "hidden_attrs": {"dict": []}, "trials": {"tuple": [{"is": "SavedTrial", "has": trial}]},
    }  # fmt: skip
    archive.attribute("activation")[1] = {"is": "Study", "has": has}


# ------------------------------------------------------------------------------- networks that lie


@crafted("function='os.system'")
def activation_that_is_none(archive):
    archive.layer("Activation")["config"] = {"tuple": [{"tuple": ["function", "os.system"]}]}


@crafted("weights and .* statistics.*as its layers have")
def weights_of_another_shape(archive):
    archive.set_array("weights", np.zeros(7, np.float32))


@crafted("units=1000000000000")
def huge_layer(archive):
    archive.layer("Dense")["config"]["tuple"][-1]["tuple"][1] = 10**12


@crafted("one row becomes|as its layers have")
def wide_layer(archive):
    archive.layer("Dense")["config"]["tuple"][-1]["tuple"][1] = 2 * 10**9


@crafted("units=-3")
def negative_layer(archive):
    archive.layer("Dense")["config"]["tuple"][-1]["tuple"][1] = -3


@crafted("weights=<ndarray of shape .* and dtype float64>")
def weights_of_another_dtype(archive):
    archive.set_array("weights", np.zeros(23))


@crafted("weights='many'")
def weights_that_are_text(archive):
    archive.trained["weights"] = "many"


@crafted("output_activation='evil'")
def output_activation_that_is_none(archive):
    archive.network["output_activation"] = "evil"


@crafted("loss of kind 'evil'")
def loss_that_is_none(archive):
    archive.network["loss"]["has"]["kind"] = "evil"


@crafted("tensors that stand before it")
def layers_in_a_circle(archive):
    n_layers = len(archive.network["layers"]["tuple"])
    archive.network["inputs"] = {"tuple": [{"tuple": [i + 1]} for i in range(n_layers)]}


@crafted("arguments \\['evil', 'rate'\\]")
def argument_that_a_layer_has_not(archive):
    archive.layer("Dropout")["config"]["tuple"].append({"tuple": ["evil", 1]})


@crafted("object of class 'Evil'")
def class_that_is_not_ours(archive):
    archive.trained["network"]["is"] = "Evil"


@crafted("a Trained of")
def class_with_parts_missing(archive):
    del archive.trained["weights"]


@crafted("network=")
def network_that_is_another_object(archive):
    archive.trained["network"] = {"is": "Loss", "has": archive.network["loss"]["has"]}


@crafted("_trained=<MLPClassifier")
def estimator_in_the_place_of_a_network(archive):
    archive.attribute("_trained")[1] = archive.add_part(
        object_of("skdl.estimators", "MLPClassifier")
    )


@crafted("attribute 'predict'.*methods")
def attribute_that_hides_a_method(archive):
    archive.state["content"]["dict"].append(["predict", "x"])


@crafted("format 2.*format 1")
def format_of_the_future(archive):
    archive.state["format"] = 2


@crafted("the dtype 'evil'")
def dtype_that_is_none(archive):
    archive.attribute("optimizer")[1] = {"is": "dtype", "has": {"name": "evil"}}


@crafted("the state ")
def state_that_is_a_list(archive):
    archive.schema["content"] = listed(plain(1))
    return rewritten(archive)


# -------------------------------------------------------------------------------- archives that lie


def rewritten(archive, **more):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in {**archive.members, **more}.items():
            file.writestr(name, content)
        file.writestr("schema.json", json.dumps(archive.schema))
    return buffer.getvalue()


@crafted("cannot be read", by_archive=True)
def half_a_file(archive):
    data = archive.data()
    return data[: len(data) // 2]


@crafted("cannot be read", by_archive=True)
def no_archive(archive):
    return b"not an archive"


@crafted("cannot be read", by_archive=True)
def empty_file(archive):
    return b""


@crafted("cannot be read", by_archive=True)
def changed_bytes(archive):
    data = bytearray(archive.data(zipfile.ZIP_STORED))
    data[len(data) // 3] ^= 255
    return bytes(data)


@crafted("more than 100 times its size", by_archive=True)
def zip_bomb(archive):
    archive.members["77.npy"] = bytes(200_000_000)


@crafted("more than 100 times its size", by_archive=True)
def bomb_in_a_sparse_matrix(archive):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("data.npy", bytes(200_000_000))
    archive.members["78.npz"] = inner.getvalue()


@crafted("says that it is of shape", by_archive=True)
def array_with_a_huge_shape(archive):
    buffer = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**12,)}
    np.lib.format.write_array_header_1_0(buffer, header)
    archive.members["79.npy"] = buffer.getvalue() + bytes(8)


@crafted("holds a pickle", by_archive=True)
def array_of_objects(archive):
    buffer = io.BytesIO()
    np.save(buffer, np.array([print], dtype=object), allow_pickle=True)
    archive.members["80.npy"] = buffer.getvalue()


@crafted("header of", by_archive=True)
def array_with_a_huge_header(archive):
    archive.members["81.npy"] = b"\x93NUMPY\x02\x00" + struct.pack("<I", 10**8) + b"x"


@crafted("'inner.zip', which is no array", by_archive=True)
def archive_in_the_archive(archive):
    archive.members["inner.zip"] = archive.data()


@crafted("'../../evil.npy', which is no array", by_archive=True)
def path_out_of_the_archive(archive):
    archive.members["../../evil.npy"] = b""


@crafted("'model.keras', which is no array", by_archive=True)
def keras_file_in_the_archive(archive):
    archive.members["model.keras"] = b""


@crafted("two members of one name", by_archive=True)
def two_members_of_one_name(archive):
    buffer = io.BytesIO(archive.data())
    with zipfile.ZipFile(buffer, "a") as file:
        file.fp.seek(file.start_dir)
        file.NameToInfo.clear()
        file.writestr("schema.json", "{}")
    return buffer.getvalue()


@crafted("has no schema.json", by_archive=True)
def no_schema(archive):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("skdl.json", "{}")
    return buffer.getvalue()


@crafted("compressed in another way", by_archive=True)
def other_compression(archive):
    return archive.data(zipfile.ZIP_LZMA)


@crafted("perhaps in a circle", by_archive=True)
def state_that_holds_itself(archive):
    archive.schema["__id__"] = 5
    archive.add_part({"__id__": 5, **object_of("skdl.estimators", "MLPClassifier")})
    archive.parts[-1]["__id__"] = 5


@crafted("too deep|cannot be read", by_archive=True)
def objects_nested_too_deep(archive):
    node = "[" * 200_000 + "]" * 200_000
    archive.schema = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode",
                      "content": []}  # fmt: skip
    text = json.dumps(archive.schema).replace("[]", node)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("schema.json", text)
    return buffer.getvalue()


@crafted("lacks its member '82.npy'", by_archive=True)
def array_that_is_missing(archive):
    node = object_of("numpy", "ndarray", loader="NdArrayNode")
    archive.add_part({**node, "type": "numpy", "file": "82.npy"})


@crafted("cannot be read", by_archive=True)
def schema_that_is_no_json(archive):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("schema.json", "{")
    return buffer.getvalue()


@crafted("cannot be read", by_archive=True)
def protocol_of_the_future(archive):
    archive.schema["protocol"] = 99


@crafted("cannot be read", by_archive=True)
def loader_that_skops_has_not(archive):
    archive.add_part(object_of("builtins", "list", [], "EvilNode"))
