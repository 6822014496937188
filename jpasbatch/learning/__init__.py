"""Features to probabilities; the only room that knows Keras and scikit-learn."""
