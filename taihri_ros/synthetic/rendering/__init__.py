"""Rendering of synthetic people: ray casting, shading and a model of the camera sensor.

- `renderer`: people in a room through any lens; `raster`: which triangles a ray may hit;
- `casting`, `geometry`: what a ray hits, and the light there; `shading`, `lifelike`: the colours of rooms and of plain
  people, and of lifelike ones (warp kernels and functions);
- `photograph`: what a camera makes of it.
"""
