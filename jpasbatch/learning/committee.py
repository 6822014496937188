"""A trained committee: photometry in, a judgement out. Nothing else in the package classifies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from jpasbatch.errors import InputError
from jpasbatch.learning.inference import DEFAULT, InferenceEngine, InferenceOptions
from jpasbatch.learning.judgement import NO_FEATURES, Judgement, Jury, disagreement, vote
from jpasbatch.learning.manifest import Manifest, incomplete
from jpasbatch.learning.novelty.file import ordinary_from_bytes
from jpasbatch.learning.novelty.novelty import Novelty
from jpasbatch.learning.novelty.ordinary import Ordinary
from jpasbatch.photometry.features.protocol import Features
from jpasbatch.photometry.features.registry import auxiliary_of
from jpasbatch.photometry.photometry import Photometry, ab_magnitude
from jpasbatch.photometry.survey import Survey


class Committee:
    """Several classifiers that vote as one: features, forward pass, vote, calibration and decision.

    Parameters
    ----------
    survey : Survey
        Of the photometry.
    features : Features
        As the members were trained with.
    engine : InferenceEngine
        Of the members' graph.
    jury : Jury
        What makes judgements of the members' probabilities.
    classes : tuple of str
        In the order of the outputs.
    ordinary : Ordinary, optional
        What is known of ordinary objects; without it nothing is known of how unusual others are.

    Attributes
    ----------
    auxiliary : tuple of str
        Columns that it looks at beside the photometry.
    """

    def __init__(
        self,
        survey: Survey,
        features: Features,
        engine: InferenceEngine,
        jury: Jury,
        classes: tuple[str, ...],
        ordinary: Ordinary | None = None,
    ) -> None:
        self.classes, self.features, self.jury = classes, features, jury
        self.ordinary = ordinary
        self.auxiliary = auxiliary_of(features)
        self._engine, self._reference = engine, survey.reference_index

    @classmethod
    def of(
        cls,
        manifest: Manifest,
        graph: bytes,
        survey: Survey,
        options: InferenceOptions = DEFAULT,
        ordinary: bytes | None = None,
    ) -> Committee:
        """Return the committee of a manifest, the bytes of its graph, and those of what it knows of ordinary objects.

        Raises
        ------
        InputError
            When the parts do not belong together, or the manifest is not complete.
        """
        manifest.check_classes()
        engine = InferenceEngine(graph, options)
        found = (engine.n_inputs, engine.n_members, engine.n_classes)
        if manifest.shape != found:
            raise InputError(
                f"the manifest describes a committee of (features, members, classes) {manifest.shape}, "
                f"its graph has {found}: they do not belong together"
            )
        bands, classes = len(survey.bands), manifest.classes
        known = None if ordinary is None else ordinary_from_bytes(ordinary, len(classes), bands)
        try:
            features, jury = manifest.make_features(survey), manifest.make_jury()
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
            raise incomplete(error) from None
        return cls(survey, features, engine, jury, classes, known)

    def judge(self, photometry: Photometry) -> Judgement:
        """Return what the committee says of each object.

        The same rows in the same order give the same bytes: see `InferenceEngine`.

        Parameters
        ----------
        photometry : Photometry
            Of n objects.

        Returns
        -------
        Judgement
            An object without finite features is refused: a network turns NaN into finite, plausible numbers.

        Raises
        ------
        InputError
            When what a member gives are no probabilities, or the photometry is of another survey.
        """
        finite, members = self.member_probabilities(photometry)
        judged = photometry if finite.all() else photometry.select(finite)
        magnitude = ab_magnitude(judged.flux[:, self._reference])
        votes = vote(members)
        judgement = self.jury.judge_votes(votes, magnitude)
        novelty = self._novelty(judged, votes, magnitude, disagreement(members))
        return replace(judgement, novelty=novelty).spread(finite, NO_FEATURES)

    def novelty(self, photometry: Photometry, members: np.ndarray) -> Novelty:
        """Return how unusual objects are on which the members have voted before.

        Parameters
        ----------
        photometry : Photometry
            Of n objects with finite features.
        members : ndarray, shape (n, members, classes)
            What `member_probabilities` returned of them.
        """
        magnitude = ab_magnitude(photometry.flux[:, self._reference])
        return self._novelty(photometry, vote(members), magnitude, disagreement(members))

    def _novelty(
        self, photometry: Photometry, votes: np.ndarray, magnitude: np.ndarray, apart: np.ndarray
    ) -> Novelty:
        """Return how unusual objects are on which the members have voted, and how far they are apart."""
        if self.ordinary is None:
            return replace(Novelty.unknown(len(photometry)), disagreement=apart)
        return self.ordinary.judge(photometry, votes.argmax(axis=1), magnitude, apart)

    def member_probabilities(self, photometry: Photometry) -> tuple[np.ndarray, np.ndarray]:
        """Return which objects have finite features, and what each member says of these.

        Returns
        -------
        ndarray of bool, shape (n,)
        ndarray of float32, shape (objects with features, members, classes)
        """
        inputs = self.features(photometry)
        finite = np.asarray(np.isfinite(inputs).all(axis=1))
        return finite, self._engine.members(inputs if finite.all() else inputs[finite])
