"""From the class mix of a training sample to that of the sky."""
