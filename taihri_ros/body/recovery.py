"""From one person's keypoints to a whole body, frame by frame: joints, orientations, surface, shape and doubt."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.fit import Evidence, Fit, Fitter
from taihri_ros.body.kinematics import Kinematics, Placement, Posture, quaternions
from taihri_ros.body.mesh import Surface
from taihri_ros.body.priors import PosePrior, ShapePrior
from taihri_ros.body.start import TRUNK, Start
from taihri_ros.body.template import PARENTS, BodyTemplate, shipped_template
from taihri_ros.errors import TaihriError
from taihri_ros.skeleton import INDEX, JOINTS

Array = NDArray[np.float64]

LIMBS = {
    "trunk": ("pelvis", "left_hip", "right_hip", "spine1", "spine2", "spine3", "neck"),
    "head": ("head",),
    "left_arm": ("left_elbow", "left_wrist"),
    "right_arm": ("right_elbow", "right_wrist"),
    "left_leg": ("left_knee", "left_ankle", "left_foot"),
    "right_leg": ("right_knee", "right_ankle", "right_foot"),
}
"""The joints that show where each limb is; collars and shoulders show none."""

MIN_TRUNK = 3
"""Number of keypoints of the trunk without which no body is fitted."""

MIN_INFLUENCE = 0.2
"""A keypoint that counts less, because it is 8 standard deviations of its own error off the body, supports nothing."""


class BodyError(TaihriError):
    """The keypoints of a body have the wrong shape, or a setting is out of range."""


@dataclass(frozen=True, eq=False)
class Body:
    """A whole body that fits the keypoints of one person. All places are in the camera's optical frame.

    Attributes:
        posture: Position and orientation of the pelvis, angles of the joints, shape.
        placement: Joints and orientations of the bones.
        influences: float64 (22,) how much each keypoint counted: near 1 where it fits the body, near 0 for an outlier;
            NaN for a joint without a keypoint.
        covariance: float64 (N, N) covariance of a step of `Posture.moved`.
        kinematics: The skeleton.
        surface: The surface at rest.
        withheld: bool (22,) whether each joint counts as not supported in any case, because it was refused.
    """

    posture: Posture
    placement: Placement
    influences: Array
    covariance: Array
    kinematics: Kinematics
    surface: Surface
    withheld: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(len(JOINTS), bool))

    @property
    def joints(self) -> Array:
        """The 22 joints, float64 (22, 3) metres."""
        return self.placement.joints

    @property
    def rotations(self) -> Array:
        """The orientation of the bone that begins at each joint, float64 (22, 3, 3).

        The columns are the directions that are forward, left and up while the person stands at rest (REP-103).
        """
        return self.placement.rotations

    @cached_property
    def quaternions(self) -> Array:
        """The orientations as unit quaternions, float64 (22, 4), in the order x, y, z, w."""
        return quaternions(self.placement.rotations)

    @property
    def shape(self) -> Array:
        """The shape, float64 (S,), in standard deviations of adults; the first is the overall size."""
        return self.posture.shape

    @cached_property
    def supported(self) -> NDArray[np.bool_]:
        """Whether a keypoint shows where each joint is, bool (22,): its own, or one further out on the same limb.

        The others have the usual pose of people, which is no measurement.
        """
        supported = np.nan_to_num(self.influences) >= MIN_INFLUENCE
        for joint in range(len(JOINTS) - 1, 0, -1):
            supported[PARENTS[joint]] |= supported[joint]
        return supported & ~self.withheld

    @property
    def limbs(self) -> dict[str, bool]:
        """Whether a keypoint shows where each limb of `LIMBS` is."""
        own = np.nan_to_num(self.influences) >= MIN_INFLUENCE
        return {limb: bool(own[[INDEX[name] for name in names]].any()) for limb, names in LIMBS.items()}

    @cached_property
    def supported_vertices(self) -> NDArray[np.bool_]:
        """Whether a keypoint shows where each vertex is, bool (V,): that at the far end of the bone that moves it most.

        Hands and the head count as shown where the joint at which they begin is. A bone that begins at a withheld joint
        does not.
        """
        ends = self.supported.copy()
        for bone in set(PARENTS[1:]):
            ends[bone] = self.supported[[joint for joint, parent in enumerate(PARENTS) if parent == bone]].any()
        ends &= ~self.withheld
        template = self.surface.template
        strongest = template.weights.argmax(axis=1)
        return np.asarray(ends[template.weight_bones[np.arange(len(strongest)), strongest]])

    @cached_property
    def joint_covariances(self) -> Array:
        """The covariance of each joint from keypoints and priors, float64 (22, 3, 3) m²."""
        jacobian = self.kinematics.jacobian(self.placement).reshape(len(JOINTS), 3, -1)
        return np.asarray(jacobian @ self.covariance @ jacobian.transpose(0, 2, 1))

    @property
    def doubts_m(self) -> Array:
        """The standard deviation of each joint, float64 (22,) metres: root of the mean variance of its coordinates."""
        return np.asarray(np.sqrt(np.trace(self.joint_covariances, axis1=1, axis2=2) / 3.0))

    @cached_property
    def vertices(self) -> NDArray[np.float32]:
        """The surface, float32 (V, 3) metres; `surface.template.triangles` has its triangles."""
        return self.surface.vertices(self.placement, self.posture.shape)

    @cached_property
    def normals(self) -> NDArray[np.float32]:
        """The outward unit normals of the vertices, float32 (V, 3)."""
        return self.surface.normals(self.vertices)


class BodyRecovery:
    """Recovers the body of one person from the keypoints of each frame. Not thread-safe.

    A fit starts from the body of the frame before. The shape becomes steadier with time.

    Example:
        >>> import numpy as np
        >>> from taihri_ros.body.recovery import BodyRecovery
        >>> recovery = BodyRecovery()
        >>> points = recovery.rest_joints() + [0.0, 0.0, 2.0]
        >>> points[20] = np.nan  # the left wrist was not found
        >>> body = recovery.update(points, np.tile(0.02**2 * np.eye(3), (22, 1, 1)), stamp_ns=0)
        >>> body.joints[0].round(2), bool(body.supported[20])
        (array([0., 0., 2.]), False)
    """

    def __init__(
        self,
        template: BodyTemplate | None = None,
        *,
        shared: float = 0.5,
        floor_m: float = 0.005,
        unknown_m: float = 0.1,
        reset_s: float = 1.0,
    ) -> None:
        """Start without a person.

        Args:
            template: The bodies; None for those that come with the package.
            shared: Share of the keypoints' covariances that is an error which all of them have in common, in [0, 1). A
                model that sees one picture mistakes the distance of the whole person. Such an error does not become
                smaller with the number of keypoints, and does not change the pose.
            floor_m: Standard deviation that is added to every keypoint, because no body is exactly like the template's,
                metres.
            unknown_m: Standard deviation of each coordinate of a keypoint without a covariance, metres.
            reset_s: A fit starts from the body of the frame before only if that is not older, seconds.

        Raises:
            BodyError: A setting is out of range.
            TemplateError: The template that comes with the package is missing or damaged.
        """
        for name, value in (("floor_m", floor_m), ("unknown_m", unknown_m), ("reset_s", reset_s)):
            if not 0.0 < value < np.inf:
                raise BodyError(f"{name} must be positive, not {value:g}")
        if not 0.0 <= shared < 1.0:
            raise BodyError(f"shared must be from 0 to below 1, not {shared:g}")
        self._shared = shared
        self.template = shipped_template() if template is None else template
        self._floor_m, self._unknown_m, self._reset_s = floor_m, unknown_m, reset_s
        self._kinematics, self._surface = Kinematics(self.template), Surface(self.template)
        self._start = Start(self.template, self._kinematics)
        self._fitter = Fitter(self._kinematics, PosePrior(self.template))
        self.reset()

    def reset(self) -> None:
        """Forget the person: pose and shape."""
        self._shape_prior = ShapePrior(len(self.template.shape_joints))
        self._last: tuple[int, Fit] | None = None

    def rest_joints(self) -> Array:
        """Return the joints (22, 3), metres, of the mean adult in the usual pose, facing a level camera, pelvis 0."""
        return self._kinematics.place(self._start.usual(np.zeros(len(self.template.shape_joints)))).joints

    def update(self, points: Array, covariances: Array | None = None, *, stamp_ns: int) -> Body | None:
        """Fit the body to the keypoints of one frame.

        Args:
            points: (22, 3) metres, camera optical frame; NaN where a joint was not found.
            covariances: (22, 3, 3) m²; NaN, or None for all, where unknown.
            stamp_ns: Time stamp of the image, nanoseconds. One that is not later than the last forgets the person.

        Returns:
            The body; None with fewer than `MIN_TRUNK` keypoints of the trunk, which do not show how the body is turned.

        Raises:
            BodyError: An array has the wrong shape.
        """
        size = len(JOINTS)
        if covariances is None:
            covariances = np.full((size, 3, 3), np.nan)
        if points.shape != (size, 3) or covariances.shape != (size, 3, 3):
            raise BodyError(
                f"points must be (22, 3) and covariances (22, 3, 3), not {points.shape} and {covariances.shape}"
            )
        elapsed_s = np.inf if self._last is None else (stamp_ns - self._last[0]) / 1e9
        if elapsed_s <= 0.0:
            self.reset()
            elapsed_s = np.inf
        if np.isfinite(points[list(TRUNK)]).all(axis=1).sum() < MIN_TRUNK:
            return None
        evidence = Evidence.of(
            points, covariances, unknown_m=self._unknown_m, floor_m=self._floor_m, shared=self._shared
        )
        fit = self._fit(evidence, elapsed_s)
        shapes = len(self.template.shape_joints)
        self._shape_prior.learn(fit.posture.shape, fit.covariance[-shapes:, -shapes:], elapsed_s)
        self._last = (stamp_ns, fit)
        influences = np.full(size, np.nan)
        influences[evidence.joints] = fit.influences
        covariance = fit.covariance.copy()
        covariance[:3, :3] += evidence.common
        return Body(fit.posture, fit.placement, influences, covariance, self._kinematics, self._surface)

    def _fit(self, evidence: Evidence, elapsed_s: float) -> Fit:
        """Fit from the frame before; anew if there is none, or if that leaves a keypoint unexplained."""
        fits = []
        if self._last is not None and elapsed_s <= self._reset_s:
            fits = [self._fitter.fit(evidence, self._last[1].posture, self._shape_prior)]
            if fits[0].influences.min() >= MIN_INFLUENCE:
                return fits[0]
        fits.append(self._fitter.fit(evidence, self._start.near(evidence, self._shape_prior.means), self._shape_prior))
        return min(fits, key=lambda fit: fit.cost)
