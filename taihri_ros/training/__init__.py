"""Training of a TAIHRI model, from random weights or from a published checkpoint.

- `recipe`: the settings of a run, as in config/training;
- `launch`: the stages of a run; `vision_stage`, `sft_stage`, `rft_stage`: each of them;
- `stage`, `trainer`, `callbacks`, `optimizer`: what the stages share, on Hugging Face's Trainer;
- `weight_average`, `kept_weights`: weights over time;
- `initial_model`, `export`, `model_card`, `curves`: from a checkpoint to a checkpoint.

The folder `data` has the pictures and questions, `network` the losses, `reinforcement` and `rewards` the stage `rft`.
"""
