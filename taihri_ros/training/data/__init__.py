"""Training data: pictures, random views of them, and questions with answers.

- `picture_shards`, `own_pictures`: training pictures made from synthetic and from labelled data; `pictures`: the files;
- `views`: random views as a data set; `viewpoints`: one view through a virtual camera; `backgrounds`, `patterns`,
  `photometry`: what is changed in it;
- `question_sampler`: questions about a view with their answers.
"""
