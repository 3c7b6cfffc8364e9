"""The rubric's reviews: alarms, anchors, what people say, and the versions of a run's rubric."""
