"""The build of one artifact, and the prediction of a run."""
