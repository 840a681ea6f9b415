"""Hyperparameter search on Optuna that prunes across folds."""
