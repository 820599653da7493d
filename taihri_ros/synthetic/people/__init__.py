"""Synthetic people: bodies, poses, clothes and motion.

- `body`, `anny_model`, `phenotype`: a body of anny's, its parameters, and its 22 joints;
- `poses`, `motion`, `kinematics`: postures for tasks, and the motion from one to the next;
- `clothing`, `wardrobe`: outfits, plain ones and lifelike ones; `garments`, `features`: where on a body they begin and
  end; `hair`, `skirt`: what hangs from it;
- `body_template`, `decimation`: the template of `taihri_ros/body`, made once.
"""
