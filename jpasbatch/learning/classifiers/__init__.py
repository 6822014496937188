"""Kinds of classifiers, one module a family."""
