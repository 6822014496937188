"""Stages that make mocks."""
