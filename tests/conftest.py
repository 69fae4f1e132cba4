"""What all tests share: property tests judge values, never speed; `tf.keras` is Keras 2."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from harness import keras_packages

keras_packages.set_up()  # before TensorFlow is imported: `tf.keras` is Keras 2 in tests

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")  # a busy machine is not a failure
