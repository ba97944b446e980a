"""The lag between two recordings of the same audio: where one lost or gained samples."""
