"""
Which digits are alike?
=======================

A siamese network is not asked what a digit is, but which digits are alike. It embeds images so that
those of one digit lie near each other; nearest neighbours among the embeddings then classify, find
similar images, and tell apart digits that the network has never seen.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.pipeline import make_pipeline

import skdl

X, y = load_digits(return_X_y=True)
X = X / 16
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
siamese = skdl.SiameseTransformer(16, image_shape=(8, 8), epochs=15, random_state=0)
scores = {}
for name, embedding in {
    "triplets": siamese,
    "pairs": skdl.SiameseTransformer(**siamese.get_params() | {"loss": "contrastive"}),
    "PCA": PCA(16),
}.items():
    pipeline = make_pipeline(embedding, KNeighborsClassifier(5)).fit(X_train, y_train)
    scores[name] = pipeline.score(X_test, y_test)
scores

# %%
# All are good at ten digits that they have seen: on images this small, neighbours in the pixels
# know nearly as much.

assert min(scores.values()) > 0.95

# %%
# Digits that it has not seen
# ---------------------------
# Trained on 0 to 6, it embeds 7, 8 and 9 too. Five examples of each must be enough to tell them
# apart.

is_known = y < 7
unseen, labels = X[~is_known], y[~is_known]
examples = np.concatenate([np.flatnonzero(labels == digit)[:5] for digit in (7, 8, 9)])
others = np.setdiff1d(np.arange(len(labels)), examples)
few_shot = {}
for name, embedding in {"triplets": siamese, "PCA": PCA(16)}.items():
    codes = embedding.fit(X[is_known], y[is_known]).transform(unseen)
    neighbours = KNeighborsClassifier(1).fit(codes[examples], labels[examples])
    few_shot[name] = neighbours.score(codes[others], labels[others])
few_shot

# %%
# The embeddings know what makes digits differ, beyond those that they were learned from. On images
# this small, principal components do nearly as well.

assert few_shot["triplets"] > 0.75
assert abs(few_shot["triplets"] - few_shot["PCA"]) < 0.1

# %%
# The nearest neighbours of some
# ------------------------------

codes = siamese.fit(X_train, y_train).transform(X_train)
queries = [3, 14, 28]
index = NearestNeighbors(n_neighbors=6).fit(codes)
nearest = index.kneighbors(siamese.transform(X_test[queries]), return_distance=False)
figure, axes = plt.subplots(3, 7, figsize=(7, 3.2), layout="constrained")
for row, query, found in zip(axes, queries, nearest, strict=True):
    row[0].imshow(X_test[query].reshape(8, 8), cmap="gray_r")
    row[0].set_title("query", fontsize=9)
    for ax, number in zip(row[1:], found, strict=True):
        ax.imshow(X_train[number].reshape(8, 8), cmap="gray_r")
for ax in axes.flat:
    ax.axis("off")
plt.show()
assert np.mean(y_train[nearest] == y_test[queries][:, None]) > 0.8
