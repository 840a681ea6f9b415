"""What all estimators share: parameters, data, targets, fitting and prediction."""
