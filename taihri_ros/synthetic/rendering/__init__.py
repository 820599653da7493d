"""Rendering of synthetic people: ray casting, shading and a model of the camera sensor."""
