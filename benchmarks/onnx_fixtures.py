"""Makes the models of tests/data/onnx_models that PyTorch and scikit-learn export.

`pip install torch==2.13.0 onnxscript==0.7.2 scikit-learn==1.9.1 skl2onnx==1.20.0`, then
`python -m benchmarks.onnx_fixtures` from the root of the checkout.  The nets are those of `onnx_nets`, untrained; the
classifiers learn scikit-learn's iris data.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from benchmarks import onnx_nets

FOLDER = Path(__file__).parents[1] / "tests" / "data" / "onnx_models"
EXPORTED = {"resnet": False, "transformer": True, "vit": True, "lstm": False, "text": True, "unet": True}  # by dynamo


def classifiers() -> Iterator[tuple[str, Any]]:
    """Classifiers of scikit-learn that have learnt something, with their names."""
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    data = load_iris()
    models = {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
        "forest": RandomForestClassifier(n_estimators=5, max_depth=4, random_state=0),
        "mlp": make_pipeline(StandardScaler(), MLPClassifier((8,), random_state=0, max_iter=500)),
        "svm": SVC(random_state=0),
    }
    for name, model in models.items():
        yield name, model.fit(data.data.astype(np.float32), data.target)


def plain(content: bytes) -> bytes:
    """A model without what the exporter notes about the program that it came from."""
    model = onnx.load_model_from_string(content)
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return model.SerializeToString()


def main() -> None:
    for name, dynamo in EXPORTED.items():
        module, inputs = onnx_nets.TORCH[name]()
        (FOLDER / f"torch_{name}.onnx").write_bytes(plain(onnx_nets.torch_export(module, inputs, dynamo)))
    from skl2onnx import to_onnx

    example = np.zeros((1, 4), np.float32)
    for name, model in classifiers():
        made = to_onnx(model, example, options={id(model): {"zipmap": False}}, target_opset={"": 20, "ai.onnx.ml": 3})
        (FOLDER / f"sklearn_{name}.onnx").write_bytes(made.SerializeToString())


if __name__ == "__main__":
    main()
